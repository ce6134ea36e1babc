#include "tertulia/async/sweeper.h"

#include <algorithm>
#include <bit>
#include <boost/asio/post.hpp>
#include <cstdint>

#include "tertulia/async/background.h"

namespace tertulia::async {
namespace {

using base::SteadyTime;

// When a deadline is looked at. Groups are apart by powers of two, so that those of all distances fall together.
SteadyTime group_of(SteadyTime deadline, SteadyTime now) {
    constexpr std::int64_t finest = 2, coarsest = 256, share = 64;
    if (deadline <= now) return now;
    const auto away = std::chrono::duration_cast<base::Milliseconds>(deadline - now).count();
    const auto between = static_cast<std::uint64_t>(std::clamp(away / share, finest, coarsest));
    const SteadyTime::duration step = base::Milliseconds(std::bit_floor(between));
    const SteadyTime::duration rest = deadline.time_since_epoch() % step;
    return rest.count() == 0 ? deadline : deadline + (step - rest);
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
    sweeper_.look_at(*this, std::chrono::steady_clock::now());
    sweeper_.wake_by(looked_at_);
}

void Sweeper::look_at(Entry& entry, SteadyTime now) {
    // One that is set while its time is swept waits for the next sweep.
    const SteadyTime group = std::max(group_of(entry.at_, now), sweep_end_);
    if (entry.is_linked()) {
        if (entry.looked_at_ <= group) return;
        entries_.erase(entries_.iterator_to(entry));
    }
    entry.looked_at_ = group;
    entries_.insert(entry);
}

void Sweeper::wake_by(SteadyTime at) {
    if (at >= timer_at_) return;
    timer_at_ = at;
    if (executor_.running_in_this_thread()) return start_timer(at);
    asio::post(executor_, [this, at] {
        if (timer_at_ == at) start_timer(at);
    });
}

void Sweeper::start_timer(SteadyTime at) {
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
            look_at(entry, now);
        }
    }
    timer_at_ = SteadyTime::max();
    if (!entries_.empty()) wake_by(entries_.begin()->looked_at_);
}

}  // namespace tertulia::async
