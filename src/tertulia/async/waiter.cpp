#include "tertulia/async/waiter.h"

#include <boost/asio/post.hpp>
#include <mutex>
#include <vector>

#include "tertulia/async/sweeper.h"

namespace tertulia::async {

/// What a waiter needs that is waited at. Its worker has it in lists of its own.
struct Waiter::Bed {
    // Beds whose waiters ended on other threads: those that wake hold them too. Shared; safe from any thread.
    struct Left {
        std::mutex mutex;
        std::vector<std::unique_ptr<Bed>> beds;
        bool has_ended = false;  // the event loop: its lists are gone
    };

    Bed(Executor executor, std::shared_ptr<Left> left_)
        : seat(executor), deadline(executor, [this] { seat.resume_soon(); }), left(std::move(left_)) {}

    Seat seat;
    Sweeper::Entry deadline;
    std::shared_ptr<Left> left;
};

/// Makes the beds of one event loop, and ends those that were left to it. One per event loop.
class Waiter::Beds : public asio::execution_context::service {
  public:
    using key_type = Beds;
    static asio::execution_context::id id;

    explicit Beds(asio::execution_context& context) : service(context) {}
    // Not in `shutdown`: the lists are in use until all of those are over.
    ~Beds() override {
        std::vector<std::unique_ptr<Bed>> ended;
        const std::lock_guard lock(left_->mutex);
        left_->has_ended = true;
        ended.swap(left_->beds);
    }

    std::unique_ptr<Bed> make(Executor executor) {
        std::vector<std::unique_ptr<Bed>> ended;
        {
            const std::lock_guard lock(left_->mutex);
            ended.swap(left_->beds);
        }
        return std::make_unique<Bed>(executor, left_);
    }

  private:
    void shutdown() override {}

    std::shared_ptr<Bed::Left> left_ = std::make_shared<Bed::Left>();
};

asio::execution_context::id Waiter::Beds::id;

Waiter::Waiter(Private, Executor executor) : executor_(executor) {}

Waiter::~Waiter() {
    if (!bed_) return;
    const std::shared_ptr<Bed::Left> left = bed_->left;
    const std::lock_guard lock(left->mutex);
    if (!left->has_ended && !executor_.running_in_this_thread()) left->beds.push_back(std::move(bed_));
    bed_.reset();
}

Seat& Waiter::seat_until(base::Deadline deadline) {
    if (!bed_) bed_ = asio::use_service<Beds>(executor_.context()).make(executor_);
    bed_->deadline.set(deadline);
    return bed_->seat;
}

void Waiter::end_wait() {
    woken_ = false;
    if (bed_) bed_->deadline.clear();
}

void Waiter::wake() {
    if (executor_.running_in_this_thread()) {
        woken_ = true;
        if (bed_ && bed_->seat.is_taken()) bed_->seat.resume_soon();
        return;
    }
    if (on_its_way_.exchange(true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->on_its_way_ = false;
        self->woken_ = true;
        if (self->bed_ && self->bed_->seat.is_taken()) self->bed_->seat.resume();
    });
}

}  // namespace tertulia::async
