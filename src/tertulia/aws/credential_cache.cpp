#include "tertulia/aws/credential_cache.h"

#include <algorithm>
#include <utility>

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using base::Result;

constexpr std::chrono::microseconds fetch_early = 10min;
// A request that is signed with less may arrive too late.
constexpr std::chrono::microseconds least_left = 30s;
constexpr std::chrono::seconds fetch_limit = 65s;
// After a fetch that brought nothing new, while the old ones hold; and where nothing holds.
constexpr std::chrono::seconds pause_while_held = 30s;
constexpr std::chrono::seconds pause_after_failure = 1s;

}  // namespace

CredentialCache::CredentialCache(async::Executor executor, async::TaskGroup& tasks, const base::Clock& clock,
                                 Fetch fetch)
    : executor_(executor), tasks_(tasks), clock_(clock), fetch_(std::move(fetch)) {}

async::Task<Result<CredentialCache::Shared>> CredentialCache::get(std::stop_token stop, base::Deadline deadline) {
    std::shared_ptr<async::Waiter> waiter;
    for (;;) {
        const std::optional<std::chrono::microseconds> left = time_left();
        const bool holds = left && *left > least_left;
        if ((!left || *left <= fetch_early) && !fetching_) {
            if (clock_.steady() >= next_fetch_) {
                start_fetch();  // which may have ended already
                continue;
            }
            if (!holds && failure_) co_return std::unexpected(*failure_);
            if (!holds)
                co_return base::fail(Errc::unauthenticated, "the AWS credentials have expired, and no others came");
        }
        if (holds) co_return kept_;

        waiter = waiter ? waiter : async::Waiter::make(executor_);
        waiting_.push_back(waiter);
        {
            const std::stop_callback wake_at_stop(stop, [&] { waiter->wake(); });
            co_await waiter->wait(deadline);
        }
        std::erase(waiting_, waiter);
        if (stop.stop_requested()) co_return base::fail(Errc::unavailable, "stopped");
        if (fetching_ && deadline.passed(std::chrono::steady_clock::now()))
            co_return base::fail(Errc::timed_out, "the AWS credentials did not come in time");
    }
}

void CredentialCache::reject(const Shared& credentials) {
    if (kept_ == credentials) kept_ = nullptr;
}

std::optional<std::chrono::microseconds> CredentialCache::time_left() const {
    if (!kept_) return {};
    if (!kept_->expires_us) return std::chrono::microseconds::max();
    return std::chrono::microseconds(*kept_->expires_us - clock_.wall_us());
}

void CredentialCache::start_fetch() {
    fetching_ = true;
    tasks_.spawn(run_fetch());
}

async::Task<void> CredentialCache::run_fetch() {
    Result<Credentials> fetched = co_await fetch_(stop_.get_token(), base::Deadline::after(fetch_limit));
    fetching_ = false;
    failure_.reset();
    next_fetch_ = {};
    if (fetched)
        kept_ = std::make_shared<const Credentials>(std::move(*fetched));
    else
        failure_ = std::move(fetched.error());
    const std::optional<std::chrono::microseconds> left = time_left();
    const bool holds = left && *left > least_left;
    if (!holds || *left <= fetch_early)
        next_fetch_ = clock_.steady() + (holds ? pause_while_held : pause_after_failure);
    for (const auto& waiter : waiting_) waiter->wake();
}

}  // namespace tertulia::aws
