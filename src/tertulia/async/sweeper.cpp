#include "tertulia/async/sweeper.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "tertulia/async/background.h"

namespace tertulia::async {
namespace {

using base::SteadyTime;

constexpr base::Milliseconds resolution{2};

// The next moment at which deadlines of this distance are looked at.
SteadyTime round_up(SteadyTime at, base::Milliseconds step) {
    const auto rest = at.time_since_epoch() % step;
    return rest.count() == 0 ? at : at + (step - rest);
}

}  // namespace

asio::execution_context::id Sweeper::id;

Sweeper::Sweeper(asio::execution_context& context)
    : service(context), executor_(static_cast<asio::io_context&>(context).get_executor()), timer_(executor_) {}

void Sweeper::shutdown() {
    timer_.cancel();
    entries_.clear();  // those that outlive the event loop
}

Sweeper::Entry::Entry(Executor executor, std::function<void()> on_passed)
    : sweeper_(asio::use_service<Sweeper>(executor.context())), on_passed_(std::move(on_passed)) {}

Sweeper::Entry::~Entry() {
    if (is_linked()) sweeper_.entries_.erase(sweeper_.entries_.iterator_to(*this));
}

void Sweeper::Entry::set(base::Deadline deadline) {
    at_ = deadline.at();
    if (deadline.is_never() || (is_linked() && looked_at_ <= at_)) return;
    sweeper_.link(*this, at_);
    sweeper_.look_by(looked_at_);
}

void Sweeper::link(Entry& entry, SteadyTime at) {
    if (entry.is_linked()) entries_.erase(entries_.iterator_to(entry));
    entry.looked_at_ = std::max(at, sweep_end_);  // one that is set while its time is swept waits for the next sweep
    entries_.insert(entry);
}

void Sweeper::look_by(SteadyTime at) {
    if (at >= timer_at_) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    const SteadyTime wanted = at <= now ? now : round_up(at, at - now > tick ? tick : resolution);
    if (wanted >= timer_at_) return;
    timer_at_ = wanted;
    if (executor_.running_in_this_thread()) return start(wanted);
    asio::post(executor_, [this, wanted] {
        if (timer_at_ == wanted) start(wanted);
    });
}

void Sweeper::start(SteadyTime at) {
    timer_.expires_at(at);
    start_in_background(
        executor_, [this](auto handler) { timer_.async_wait(std::move(handler)); },
        [this, at](boost::system::error_code error) {
            if (!error && timer_at_ == at) sweep();  // else the wait was moved
        });
}

void Sweeper::sweep() {
    const SteadyTime now = std::chrono::steady_clock::now();
    timer_at_ = now;  // what is set meanwhile needs no timer: the end of this function starts it
    sweep_end_ = now + SteadyTime::duration(1);
    while (!entries_.empty() && entries_.begin()->looked_at_ < sweep_end_) {
        Entry& entry = *entries_.begin();
        entries_.erase(entries_.begin());
        if (entry.at_ <= now) {
            entry.clear();
            entry.on_passed_();
        } else if (entry.at_ != SteadyTime::max()) {
            link(entry, entry.at_);
        }
    }
    timer_at_ = SteadyTime::max();
    if (!entries_.empty()) look_by(entries_.begin()->looked_at_);
}

}  // namespace tertulia::async
