#include "tertulia/async/seat.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "tertulia/base/prefetch.h"

namespace tertulia::async {
namespace {

// Of a frame: what it uses first.
constexpr std::size_t prefetched_bytes = 256;
// How far ahead of the task that goes on: a seat is wanted before the frames that it leads to.
constexpr std::size_t seats_ahead = 4, tasks_ahead = 2;

}  // namespace

Seat::Seat(Executor executor) : seats_(Seats::of(executor)) {
    seats_.all_.push_back(*this);
}

Seat::~Seat() {
    if (is_ready_) seats_.forget_ready(*this);
    if (chain_) seats_.executor_.on_work_finished();
}

void Seat::take(std::coroutine_handle<> task, detail::Chain* chain, std::coroutine_handle<> behind) {
    chain_.reset(chain);
    task_ = task;
    behind_ = behind;
    seats_.executor_.on_work_started();
}

void Seat::resume() {
    if (is_ready_) seats_.forget_ready(*this);
    // Not the last work: this runs in a handler, which is some.
    seats_.executor_.on_work_finished();
    static_cast<void>(chain_.release());  // the resumed coroutine has it again
    task_.resume();
}

void Seat::resume_soon() {
    if (!is_ready_) seats_.make_ready(*this);
}

void Seat::prefetch_task() const {
    base::prefetch(task_.address(), prefetched_bytes);
    base::prefetch(behind_.address(), prefetched_bytes);
}

Seat::Driver::Driver(Executor executor) : seats_(Seats::of(executor)) {
    ++seats_.drivers_;
}

Seat::Driver::~Driver() {
    --seats_.drivers_;
    seats_.resume_later();
}

void Seat::Driver::resume_ready() {
    seats_.resume_ready();
}

asio::execution_context::id Seats::id;

Seats::Seats(asio::execution_context& context)
    : service(context), executor_(static_cast<asio::io_context&>(context).get_executor()) {}

void Seats::shutdown() {
    ready_.clear();
    resumed_.clear();
    std::vector<detail::OwnedChain> chains;  // the end of a task may be the end of the seat of another one
    for (Seat& seat : all_) {
        seat.is_ready_ = false;
        if (seat.chain_) chains.push_back(std::move(seat.chain_));
    }
    chains.clear();
    all_.clear();  // those that outlive the event loop
}

void Seats::make_ready(Seat& seat) {
    seat.is_ready_ = true;
    ready_.push_back(&seat);
    resume_later();
}

void Seats::resume_later() {
    if (ready_.empty() || drivers_ > 0 || std::exchange(is_posted_, true)) return;
    asio::post(executor_, [this] {
        is_posted_ = false;
        resume_ready();
    });
}

void Seats::forget_ready(Seat& seat) {
    seat.is_ready_ = false;
    std::ranges::replace(ready_, &seat, nullptr);
    std::ranges::replace(resumed_, &seat, nullptr);
}

// Those that become ready meanwhile go on later: the event loop's other work is not kept waiting.
void Seats::resume_ready() {
    resumed_.swap(ready_);
    const auto ahead = [this](std::size_t at) { return at < resumed_.size() ? resumed_[at] : nullptr; };
    for (std::size_t at = 0; at < resumed_.size(); ++at) {
        base::prefetch(ahead(at + seats_ahead));
        if (const Seat* const next = ahead(at + tasks_ahead)) next->prefetch_task();
        if (Seat* const seat = resumed_[at]) {
            seat->is_ready_ = false;
            seat->resume();
        }
    }
    resumed_.clear();
}

}  // namespace tertulia::async
