#include "tertulia/async/alarms.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "tertulia/async/ready.h"

namespace tertulia::async {
namespace {

base::SteadyTime tick_before(base::SteadyTime at) {
    return at - at.time_since_epoch() % Alarms::tick;
}

}  // namespace

struct Alarms::Timer {
    explicit Timer(Executor executor) : timer(executor) {}
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> timer;
    base::SteadyTime at = base::SteadyTime::max();  // of the wait that is under way
};

Alarm::~Alarm() {
    belong_to(nullptr);
}

void Alarm::belong_to(Alarms* alarms) {
    if (alarms_) {
        clear();
        if (place_ != nowhere) alarms_->remove(*this);
    }
    alarms_ = alarms;
}

Alarms::Alarms(Executor executor) : timer_(std::make_shared<Timer>(executor)) {}
Alarms::~Alarms() = default;

base::SteadyTime Alarms::look_at(base::SteadyTime at, base::SteadyTime now) {
    return at - now > tick ? tick_before(at) : at;
}

void Alarms::put(Alarm& alarm) {
    const auto now = std::chrono::steady_clock::now();
    alarm.looked_at_ = look_at(alarm.at_, now);
    if (alarm.place_ == Alarm::nowhere) {
        heap_.emplace_back();
        stand(heap_.size() - 1, {alarm.looked_at_, &alarm});
    } else {
        heap_[alarm.place_].at = alarm.looked_at_;
    }
    move_up(alarm.place_);
    const auto wanted = std::min(std::max(alarm.looked_at_, now), tick_before(now) + tick);
    if (wanted < timer_->at) schedule(wanted);
}

void Alarms::remove(Alarm& alarm) {
    const std::size_t place = std::exchange(alarm.place_, Alarm::nowhere);
    const Place last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    stand(place, last);
    move_up(place);
    move_down(last.alarm->place_);
}

void Alarms::stand(std::size_t place, Place who) {
    heap_[place] = who;
    who.alarm->place_ = static_cast<std::uint32_t>(place);
}

void Alarms::move_up(std::size_t place) {
    const Place moving = heap_[place];
    for (; place > 0 && moving.at < heap_[(place - 1) / 2].at; place = (place - 1) / 2)
        stand(place, heap_[(place - 1) / 2]);
    stand(place, moving);
}

void Alarms::move_down(std::size_t place) {
    const Place moving = heap_[place];
    while (true) {
        std::size_t child = 2 * place + 1;
        if (child + 1 < heap_.size() && heap_[child + 1].at < heap_[child].at) ++child;
        if (child >= heap_.size() || heap_[child].at >= moving.at) break;
        stand(place, heap_[child]);
        place = child;
    }
    stand(place, moving);
}

void Alarms::schedule(base::SteadyTime at) {
    timer_->at = at;
    timer_->timer.expires_at(at);
    timer_->timer.async_wait([this, weak = std::weak_ptr(timer_), at](boost::system::error_code error) {
        const auto timer = weak.lock();
        if (!timer || error || timer->at != at) return;  // they are gone, or the wait was moved
        look();
    });
}

void Alarms::look() {
    const ReadyTasks::Scope scope;
    const auto now = std::chrono::steady_clock::now();
    timer_->at = now;  // an alarm that is set by another one does not start the timer: the end of this function does
    while (armed_ > 0 && !heap_.empty() && heap_.front().at <= now) {
        Alarm& alarm = *heap_.front().alarm;
        if (alarm.at_ <= now || alarm.at_ == base::SteadyTime::max()) {
            remove(alarm);
            if (alarm.at_ == base::SteadyTime::max()) continue;
            alarm.clear();
            alarm.ring();
        } else {
            alarm.looked_at_ = look_at(alarm.at_, now);
            heap_.front().at = alarm.looked_at_;
            move_down(0);
        }
    }
    timer_->at = base::SteadyTime::max();
    if (armed_ > 0) return schedule(std::clamp(heap_.front().at, now, tick_before(now) + tick));
    for (const Place& place : heap_) place.alarm->place_ = Alarm::nowhere;
    heap_.clear();
}

}  // namespace tertulia::async
