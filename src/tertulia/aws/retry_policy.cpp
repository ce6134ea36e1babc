#include "tertulia/aws/retry_policy.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/base/json.h"

namespace tertulia::aws {
namespace {

using std::chrono::milliseconds;

constexpr int quota_size = 500;
constexpr int retry_cost = 14;
constexpr int throttled_retry_cost = 5;
// A service may ask for a longer wait than we had chosen, by this much.
constexpr milliseconds longest_addition{5000};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
    return std::ranges::find(list, text) != list.end();
}

bool is_throttling(std::string_view code) {
    return is_one_of(
        code, {"BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete",
               "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
               "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling",
               "ThrottlingError", "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException"});
}

bool is_conflict(std::string_view code) {
    return is_one_of(code, {"TransactionConflict", "TransactionConflictException"});
}

// A transaction that failed only for what passes.
Remedy remedy_for_reasons(const boost::json::value& body) {
    const auto* object = body.if_object();
    const auto* reasons = object ? object->if_contains("CancellationReasons") : nullptr;
    if (!reasons || !reasons->is_array()) return Remedy::none;
    Remedy remedy = Remedy::none;
    for (const boost::json::value& reason : reasons->get_array()) {
        const auto* code = reason.is_object() ? reason.get_object().if_contains("Code") : nullptr;
        const auto* text = code ? code->if_string() : nullptr;
        const std::string_view name = text ? std::string_view(text->data(), text->size()) : "None";
        if (name == "None") continue;
        if (is_throttling(name))
            remedy = Remedy::retry_slower;
        else if (!is_conflict(name))
            return Remedy::none;
        else if (remedy == Remedy::none)
            remedy = Remedy::retry;
    }
    return remedy;
}

}  // namespace

Remedy remedy_for(const ServiceError& error) {
    const std::string_view code = error.code;
    if (is_throttling(code) || error.status == 429) return Remedy::retry_slower;
    if (is_one_of(code, {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
                         "InvalidToken", "InvalidTokenException"}))
        return Remedy::new_credentials;
    if (is_one_of(code, {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestInTheFuture",
                         "RequestTimeTooSkewed", "AuthFailure"}))
        return Remedy::correct_clock;
    if (code == "TransactionCanceledException") {
        const auto body = base::parse_json(error.body);
        return body ? remedy_for_reasons(*body) : Remedy::none;
    }
    if (is_conflict(code) || is_one_of(code, {"RequestTimeout", "RequestTimeoutException", "InternalServerError",
                                              "InternalFailure", "ServiceUnavailable", "ModelNotReadyException"}))
        return Remedy::retry;
    return is_one_of(std::to_string(error.status), {"500", "502", "503", "504"}) ? Remedy::retry : Remedy::none;
}

std::optional<int> RetryQuota::take(Remedy remedy) {
    const int cost = remedy == Remedy::retry_slower ? throttled_retry_cost : retry_cost;
    if (left_ < cost) return std::nullopt;
    left_ -= cost;
    return cost;
}

void RetryQuota::give_back(int taken) {
    left_ = std::min(quota_size, left_ + std::max(1, taken));
}

RetryPolicy::Step RetryPolicy::after(const Failed& failed, double random) {
    constexpr Step give_up;
    switch (failed.remedy) {
        case Remedy::none:
            return give_up;
        case Remedy::new_credentials:
            return std::exchange(credentials_renewed_, true) ? give_up : Step{.remedy = failed.remedy};
        case Remedy::correct_clock:
            return !failed.clock_is_wrong || std::exchange(clock_corrected_, true) ? give_up
                                                                                   : Step{.remedy = failed.remedy};
        case Remedy::retry:
        case Remedy::retry_slower:
            break;
    }
    const bool did_nothing = failed.was_not_sent || failed.remedy == Remedy::retry_slower;
    if ((!repeatable_ && !did_nothing) || retries_ + 1 >= settings_.attempts) return give_up;
    const auto taken = quota_.take(failed.remedy);
    if (!taken) return give_up;
    taken_ = *taken;
    const milliseconds base = failed.remedy == Remedy::retry_slower ? settings_.throttled_base : settings_.base;
    const double doubled = static_cast<double>(base.count()) * static_cast<double>(1ll << std::min(retries_, 30));
    const double full = std::min(doubled, static_cast<double>(settings_.max.count()));
    ++retries_;
    milliseconds wait(static_cast<std::int64_t>(random * full));
    if (failed.retry_after) wait = std::clamp(*failed.retry_after, wait, wait + longest_addition);
    return {.remedy = failed.remedy, .wait = wait};
}

}  // namespace tertulia::aws
