#include "tertulia/aws/retry_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using Failed = RetryPolicy::Failed;
using Step = RetryPolicy::Step;

constexpr Failed broken{.remedy = Remedy::retry};
constexpr Failed throttled{.remedy = Remedy::retry_slower};
constexpr Step give_up;

TEST(RemedyFor, KnowsWhatHelps) {
    const std::string conflict = R"({"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]})";
    const std::string busy =
        R"({"CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"ThrottlingError"},{"Code":"None"}]})";
    const std::string condition =
        R"({"CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"ConditionalCheckFailed"}]})";
    struct Row {
        ServiceError error;
        Remedy remedy;
    };
    const std::vector<Row> table{
        {{.code = "ProvisionedThroughputExceededException", .status = 400}, Remedy::retry_slower},
        {{.code = "ThrottlingException", .status = 400}, Remedy::retry_slower},
        {{.code = "RequestLimitExceeded", .status = 400}, Remedy::retry_slower},
        {{.code = "TooManyRequestsException", .status = 429}, Remedy::retry_slower},
        {{.code = "LimitExceededException", .status = 429}, Remedy::retry_slower},
        {{.code = "", .status = 429}, Remedy::retry_slower},
        {{.code = "TransactionInProgressException", .status = 400}, Remedy::retry_slower},
        {{.code = "InternalServerError", .status = 500}, Remedy::retry},
        {{.code = "", .status = 500}, Remedy::retry},
        {{.code = "", .status = 502}, Remedy::retry},
        {{.code = "Whatever", .status = 503}, Remedy::retry},
        {{.code = "", .status = 504}, Remedy::retry},
        {{.code = "", .status = 501}, Remedy::none},
        {{.code = "TransactionConflictException", .status = 400}, Remedy::retry},
        {{.code = "TransactionCanceledException", .status = 400, .body = conflict}, Remedy::retry},
        {{.code = "TransactionCanceledException", .status = 400, .body = busy}, Remedy::retry_slower},
        {{.code = "TransactionCanceledException", .status = 400, .body = condition}, Remedy::none},
        {{.code = "TransactionCanceledException", .status = 400, .body = "{}"}, Remedy::none},
        {{.code = "TransactionCanceledException", .status = 400, .body = "["}, Remedy::none},
        {{.code = "ExpiredTokenException", .status = 400}, Remedy::new_credentials},
        {{.code = "UnrecognizedClientException", .status = 400}, Remedy::new_credentials},
        {{.code = "InvalidSignatureException", .status = 403}, Remedy::correct_clock},
        {{.code = "RequestTimeTooSkewed", .status = 403}, Remedy::correct_clock},
        {{.code = "ConditionalCheckFailedException", .status = 400}, Remedy::none},
        {{.code = "ValidationException", .status = 400}, Remedy::none},
        {{.code = "AccessDeniedException", .status = 400}, Remedy::none},
        {{.code = "ResourceNotFoundException", .status = 400}, Remedy::none},
        {{.code = "GoneException", .status = 410}, Remedy::none},
    };
    for (const Row& row : table) EXPECT_EQ(remedy_for(row.error), row.remedy) << row.error.code << row.error.status;
}

TEST(RetryPolicy, WaitsARandomPartOfATimeThatDoubles) {
    RetryQuota quota;
    RetryPolicy policy({.attempts = 5}, quota, true);
    EXPECT_EQ(policy.after(broken, 0.5), (Step{Remedy::retry, 25ms}));
    EXPECT_EQ(policy.after(broken, 0.0), (Step{Remedy::retry, 0ms}));
    EXPECT_EQ(policy.after(broken, 0.999), (Step{Remedy::retry, 199ms}));
    EXPECT_EQ(policy.after(throttled, 0.5), (Step{Remedy::retry_slower, 4000ms}));
    EXPECT_EQ(policy.after(broken, 0.5), give_up) << "five attempts";

    RetryPolicy patient({.attempts = 100}, quota, true);
    Step last;
    for (int i = 0; i < 20; ++i) last = patient.after(throttled, 0.5);
    EXPECT_EQ(last.wait, 10'000ms) << "never more than 20 s";
}

TEST(RetryPolicy, TakesTheServicesWordForAWait) {
    RetryQuota quota;
    RetryPolicy policy({.attempts = 9}, quota, true);
    const auto after = [](std::chrono::milliseconds wait) {
        return Failed{.remedy = Remedy::retry, .retry_after = wait};
    };
    EXPECT_EQ(policy.after(after(1000ms), 0.5).wait, 1000ms);
    EXPECT_EQ(policy.after(after(1ms), 0.5).wait, 50ms) << "not less than its own";
    EXPECT_EQ(policy.after(after(60'000ms), 0.5).wait, 5100ms) << "nor much more";
}

TEST(RetryPolicy, RepeatsWhatIsNotRepeatableOnlyWhereNothingWasDone) {
    RetryQuota quota;
    RetryPolicy policy({.attempts = 9}, quota, false);
    EXPECT_EQ(policy.after(throttled, 0.5).remedy, Remedy::retry_slower);
    EXPECT_EQ(policy.after({.remedy = Remedy::retry, .was_not_sent = true}, 0.5).remedy, Remedy::retry);
    EXPECT_EQ(policy.after(broken, 0.5), give_up);
}

TEST(RetryPolicy, MendsCredentialsAndClockOnce) {
    RetryQuota quota;
    RetryPolicy policy({}, quota, false);
    const Failed expired{.remedy = Remedy::new_credentials};
    const Failed skewed{.remedy = Remedy::correct_clock, .clock_is_wrong = true};
    EXPECT_EQ(policy.after({.remedy = Remedy::correct_clock}, 0.5), give_up) << "the clock is right";
    EXPECT_EQ(policy.after(expired, 0.5), (Step{Remedy::new_credentials, 0ms}));
    EXPECT_EQ(policy.after(skewed, 0.5), (Step{Remedy::correct_clock, 0ms}));
    EXPECT_EQ(policy.after(expired, 0.5), give_up);
    EXPECT_EQ(policy.after(skewed, 0.5), give_up);
    EXPECT_EQ(quota.left(), 500);
}

TEST(RetryPolicy, EndsWhereTooLittleSucceeds) {
    RetryQuota quota;
    int retries = 0;
    for (;; ++retries) {
        RetryPolicy policy({}, quota, true);
        if (policy.after(broken, 0.5) == give_up) break;
    }
    EXPECT_EQ(retries, 35);  // 500 / 14
    EXPECT_EQ(quota.left(), 10);
    RetryPolicy slower({}, quota, true);
    EXPECT_EQ(slower.after(throttled, 0.5).remedy, Remedy::retry_slower) << "which costs less";
    slower.succeeded();
    EXPECT_EQ(quota.left(), 10) << "what the retry took";
    for (int i = 0; i < 1000; ++i) RetryPolicy({}, quota, true).succeeded();
    EXPECT_EQ(quota.left(), 500);
}

TEST(RetryPolicy, SaysNothingHelpsAgainstARefusal) {
    RetryQuota quota;
    EXPECT_EQ(RetryPolicy({}, quota, true).after({.remedy = Remedy::none}, 0.5), give_up);
}

}  // namespace
}  // namespace tertulia::aws
