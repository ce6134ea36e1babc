#include "tertulia/aws/shared_secret.h"

#include <chrono>
#include <utility>

namespace tertulia::aws {
namespace {

constexpr std::chrono::seconds least_age = std::chrono::minutes(1);

}  // namespace

async::Task<base::Result<SharedSecret::Key>> SharedSecret::get(const Fetch& fetch, std::stop_token stop,
                                                               base::Deadline deadline) {
    const auto waiter = async::Waiter::make(co_await async::this_executor);
    for (;;) {
        std::shared_ptr<Flight> flight;
        bool is_mine = false;
        {
            const std::lock_guard lock(mutex_);
            if (key_) co_return key_;
            is_mine = !flight_;
            if (is_mine) flight_ = std::make_shared<Flight>();
            flight = flight_;
            if (!is_mine) flight->waiting.push_back(waiter);
        }
        if (is_mine) {
            struct Landing {  // also where a bug ends this task: nobody must be left waiting
                SharedSecret& secret;
                const std::shared_ptr<Flight>& flight;
                std::optional<base::Result<Key>> outcome;
                ~Landing() { secret.land(flight, std::move(outcome)); }
            } landing{*this, flight, {}};
            auto fetched = co_await fetch(stop, deadline);
            base::Result<Key> outcome;
            if (fetched)
                outcome = std::make_shared<const base::Secret>(std::move(*fetched));
            else
                outcome = std::unexpected(std::move(fetched.error()));
            // That this one was stopped, or has no more time, says nothing to the others.
            const bool is_own =
                !outcome && (stop.stop_requested() || deadline.passed(std::chrono::steady_clock::now()));
            if (!is_own) landing.outcome = outcome;
            co_return outcome;
        }
        {
            const std::stop_callback wake_at_stop(stop, [&] { waiter->wake(); });
            co_await waiter->wait(deadline);
        }
        const std::lock_guard lock(mutex_);
        if (flight->outcome) co_return *flight->outcome;
        if (flight->is_over) continue;
        std::erase(flight->waiting, waiter);
        if (stop.stop_requested()) co_return base::fail(base::Errc::unavailable, "stopped");
        if (deadline.passed(std::chrono::steady_clock::now()))
            co_return base::fail(base::Errc::timed_out, "a secret did not come in time");
    }
}

void SharedSecret::land(const std::shared_ptr<Flight>& flight, std::optional<base::Result<Key>> outcome) {
    const std::lock_guard lock(mutex_);
    if (outcome && *outcome) {
        key_ = **outcome;
        fetched_ = clock_.steady();
    }
    flight->outcome = std::move(outcome);
    flight->is_over = true;
    flight_.reset();
    for (const auto& waiter : flight->waiting) waiter->wake();
}

void SharedSecret::reject(const Key& key) {
    const std::lock_guard lock(mutex_);
    if (key_ == key && clock_.steady() >= fetched_ + least_age) key_.reset();
}

}  // namespace tertulia::aws
