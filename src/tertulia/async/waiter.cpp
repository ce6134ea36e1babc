#include "tertulia/async/waiter.h"

#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "tertulia/async/alarms.h"
#include "tertulia/async/ready.h"

namespace tertulia::async {
namespace {

using Work = std::decay_t<decltype(asio::require(std::declval<Executor>(), asio::execution::outstanding_work.tracked))>;

}  // namespace

// Where the task sleeps.
class Waiter::Bed final : public Alarm {
  public:
    explicit Bed(Dormitory& dormitory);
    ~Bed() override;

    void lie_down(OwnedTask task, Executor executor, base::Deadline deadline) {
        task_ = std::move(task);
        work_.emplace(asio::require(executor, asio::execution::outstanding_work.tracked));
        set(deadline);
    }
    void get_up() {
        if (!task_.task) return;
        clear();
        ReadyTasks::add(std::exchange(task_, {}));
        work_.reset();
    }

  private:
    friend class Dormitory;
    void ring() override { get_up(); }

    OwnedTask task_;
    std::optional<Work> work_;  // the event loop does not end before
    Dormitory* dormitory_;      // null: it has gone
    Bed* before_ = nullptr;
    Bed* after_ = nullptr;
};

// All beds of a worker, and their alarms. Who still sleeps when the event loop goes away is destroyed with it.
class Waiter::Dormitory : public asio::execution_context::service {
  public:
    inline static asio::execution_context::id id;

    explicit Dormitory(asio::execution_context& context)
        : service(context), alarms_(std::in_place, static_cast<asio::io_context&>(context).get_executor()) {}

    void add(Bed& bed) {
        bed.belong_to(&*alarms_);
        bed.after_ = first_;
        if (first_) first_->before_ = &bed;
        first_ = &bed;
    }
    void remove(Bed& bed) {
        bed.belong_to(nullptr);
        bed.dormitory_ = nullptr;
        (bed.before_ ? bed.before_->after_ : first_) = bed.after_;
        if (bed.after_) bed.after_->before_ = bed.before_;
    }

  private:
    void shutdown() override {
        while (first_) {
            const OwnedTask task = std::exchange(first_->task_, {});
            first_->work_.reset();
            remove(*first_);
        }
        alarms_.reset();
    }
    std::optional<Alarms> alarms_;
    Bed* first_ = nullptr;
};

Waiter::Bed::Bed(Dormitory& dormitory) : dormitory_(&dormitory) {
    dormitory.add(*this);
}

Waiter::Bed::~Bed() {
    if (dormitory_) dormitory_->remove(*this);
}

Waiter::Waiter(Private, Executor executor) : executor_(executor) {}
Waiter::~Waiter() = default;

void Waiter::sleep(std::coroutine_handle<> task, detail::Chain* chain, base::Deadline deadline) {
    if (!bed_)
        bed_ = std::make_unique<Bed>(asio::use_service<Dormitory>(asio::query(executor_, asio::execution::context)));
    bed_->lie_down({detail::OwnedChain(chain), task}, executor_, deadline);
}

void Waiter::wake() {
    if (executor_.running_in_this_thread()) return wake_here();
    if (on_its_way_.exchange(true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        const ReadyTasks::Scope scope;
        self->on_its_way_ = false;
        self->wake_here();
    });
}

void Waiter::wake_here() {
    woken_ = true;
    if (bed_) bed_->get_up();
}

}  // namespace tertulia::async
