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

CredentialCache::CredentialCache(CredentialState& state, async::Executor executor, async::TaskGroup& tasks,
                                 const base::Clock& clock, Fetch fetch)
    : state_(state), executor_(executor), tasks_(tasks), clock_(clock), fetch_(std::move(fetch)) {}

async::Task<Result<CredentialCache::Shared>> CredentialCache::get(std::stop_token stop, base::Deadline deadline) {
    for (;;) {
        bool begins = false;
        std::optional<Result<Shared>> known = look(begins);
        if (begins) tasks_.spawn(run_fetch());  // which may have ended already
        if (known) co_return std::move(*known);
        const auto waiter = async::Waiter::make(executor_);
        if (!add_to_waiting(waiter)) continue;
        {
            const std::stop_callback wake_at_stop(stop, [&] { waiter->wake(); });
            co_await waiter->wait(deadline);
        }
        remove_from_waiting(waiter);
        if (stop.stop_requested()) co_return base::fail(Errc::unavailable, "stopped");
        if (deadline.passed(std::chrono::steady_clock::now()))
            co_return base::fail(Errc::timed_out, "the AWS credentials did not come in time");
    }
}

std::optional<Result<CredentialCache::Shared>> CredentialCache::look(bool& begins) {
    const std::lock_guard lock(state_.mutex_);
    const std::optional<std::chrono::microseconds> left = time_left();
    const bool holds = left && *left > least_left;
    if ((!left || *left <= fetch_early) && !state_.fetching_ && clock_.steady() >= state_.next_fetch_)
        begins = state_.fetching_ = true;
    if (holds) return state_.kept_;
    if (state_.fetching_) return {};
    if (state_.failure_) return std::unexpected(*state_.failure_);
    return base::fail(Errc::unauthenticated, "the AWS credentials have expired, and no others came");
}

bool CredentialCache::add_to_waiting(const std::shared_ptr<async::Waiter>& waiter) {
    const std::lock_guard lock(state_.mutex_);
    if (state_.fetching_) state_.waiting_.push_back(waiter);
    return state_.fetching_;
}

void CredentialCache::remove_from_waiting(const std::shared_ptr<async::Waiter>& waiter) {
    const std::lock_guard lock(state_.mutex_);
    std::erase(state_.waiting_, waiter);
}

void CredentialCache::reject(const Shared& credentials) {
    const std::lock_guard lock(state_.mutex_);
    if (state_.kept_ == credentials) state_.kept_ = nullptr;
}

async::Task<void> CredentialCache::run_fetch() {
    Result<Credentials> fetched = co_await fetch_(stop_.get_token(), base::Deadline::after(fetch_limit));
    const std::lock_guard lock(state_.mutex_);
    state_.fetching_ = false;
    state_.failure_.reset();
    state_.next_fetch_ = {};
    if (fetched)
        state_.kept_ = std::make_shared<const Credentials>(std::move(*fetched));
    else
        state_.failure_ = std::move(fetched.error());
    const std::optional<std::chrono::microseconds> left = time_left();
    const bool holds = left && *left > least_left;
    if (!holds || *left <= fetch_early)
        state_.next_fetch_ = clock_.steady() + (holds ? pause_while_held : pause_after_failure);
    for (const auto& waiter : state_.waiting_) waiter->wake();
    state_.waiting_.clear();
}

std::optional<std::chrono::microseconds> CredentialCache::time_left() const {
    if (!state_.kept_) return {};
    if (!state_.kept_->expires_us) return std::chrono::microseconds::max();
    return std::chrono::microseconds(*state_.kept_->expires_us - clock_.wall_us());
}

}  // namespace tertulia::aws
