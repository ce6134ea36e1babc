#include "tertulia/api/usage_request.h"

#include <gmock/gmock.h>

namespace tertulia::api {
namespace {

using sessions::UsageGroup;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

base::Result<UsageRequest> asked(const std::string& query) {
    http::Request request;
    request.target = "/usage" + (query.empty() ? "" : "?" + query);
    return parse_usage_request(request);
}

TEST(UsageRequest, nothing_asks_for_everything) {
    const auto all = asked("").value();
    EXPECT_THAT(all.query.group_by, IsEmpty());
    EXPECT_EQ(all.query.from_us, 0);
    EXPECT_EQ(all.query.to_us, sessions::UsageQuery{}.to_us);
    EXPECT_FALSE(all.as_csv);
}

TEST(UsageRequest, groups_keep_their_order_and_stand_once) {
    EXPECT_THAT(asked("group_by=model,day").value().query.group_by, ElementsAre(UsageGroup::model, UsageGroup::day));
    EXPECT_THAT(asked("group_by=owner%2Csession,owner").value().query.group_by,
                ElementsAre(UsageGroup::owner, UsageGroup::session));
}

TEST(UsageRequest, times_are_dates_or_rfc_3339) {
    constexpr std::int64_t midnight = 1'732'233'600'000'000;  // 2024-11-22
    const auto day = asked("from=2024-11-22&to=2024-11-23&format=csv").value();
    EXPECT_EQ(day.query.from_us, midnight);
    EXPECT_EQ(day.query.to_us, midnight + 86'400'000'000);
    EXPECT_TRUE(day.as_csv);
    EXPECT_EQ(asked("from=2024-11-22T10:30:00Z").value().query.from_us, 1'732'271'400'000'000);
    EXPECT_EQ(asked("from=2024-11-22T10:30:00.000001Z").value().query.from_us, 1'732'271'400'000'001);
    EXPECT_EQ(asked("from=2024-11-22T01:00:00%2B01:00").value().query.from_us, midnight);
    EXPECT_EQ(asked("from=2024-11-22T01:00:00+01:00").value().query.from_us, midnight);
    EXPECT_TRUE(asked("from=2024-11-22&to=2024-11-22"));
}

TEST(UsageRequest, what_is_wrong_is_named_with_what_is_allowed) {
    for (const auto& [query, message] :
         std::vector<std::pair<const char*, const char*>>{{"group_by=modell", "session, owner, model and day"},
                                                          {"group_by=model,", "'group_by'"},
                                                          {"group_by=,model", "'group_by'"},
                                                          {"from=yesterday", "'from' must be a date or a time"},
                                                          {"to=2024-13-01", "'to' must be"},
                                                          {"from=2024-11-22T10:30:00", "'from' must be"},
                                                          {"from=2024-11-23&to=2024-11-22", "not be later"},
                                                          {"format=xml", "json or csv"}}) {
        const auto refused = asked(query);
        ASSERT_FALSE(refused) << query;
        EXPECT_EQ(refused.error().code, base::Errc::invalid_request);
        EXPECT_THAT(refused.error().message, HasSubstr(message)) << query;
    }
}

const sessions::UsageReport report{
    .rows = {{.model = "a/\"x\",y",
              .day = "2024-11-22",
              .turns = 2,
              .input_tokens = 3,
              .cache_read_tokens = 4,
              .cache_write_tokens = 5,
              .output_tokens = 6,
              .reasoning_tokens = 7,
              .cost_nano = 123'000,
              .hedge_nano = 1},
             {.model = "b/z", .day = "2024-11-23", .turns = 1, .unpriced_turns = 1}},
    .total = {.turns = 3, .input_tokens = 3, .cost_nano = 123'000, .hedge_nano = 1, .unpriced_turns = 1}};

TEST(UsageJson, has_the_groups_and_figures_of_each_row_and_the_total) {
    EXPECT_EQ(
        usage_json(report, {UsageGroup::model, UsageGroup::day}),
        R"({"rows":[{"model":"a/\"x\",y","day":"2024-11-22","turns":2,"input_tokens":3,"cache_read_tokens":4,)"
        R"("cache_write_tokens":5,"output_tokens":6,"reasoning_tokens":7,"usd":"0.000123000","hedge_usd":"0.000000001"},)"
        R"({"model":"b/z","day":"2024-11-23","turns":1,"input_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,)"
        R"("output_tokens":0,"reasoning_tokens":0,"usd":"0.000000000","hedge_usd":"0.000000000","unpriced_turns":1}],)"
        R"("total":{"turns":3,"input_tokens":3,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":0,)"
        R"("reasoning_tokens":0,"usd":"0.000123000","hedge_usd":"0.000000001","unpriced_turns":1}})");
}

TEST(UsageJson, without_groups_the_one_row_is_the_total) {
    const std::string zero =
        R"({"turns":0,"input_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":0,)"
        R"("reasoning_tokens":0,"usd":"0.000000000","hedge_usd":"0.000000000"})";
    EXPECT_EQ(usage_json({}, {}), "{\"rows\":[" + zero + "],\"total\":" + zero + "}");
    EXPECT_EQ(usage_json({}, {UsageGroup::day}), "{\"rows\":[],\"total\":" + zero + "}");
}

TEST(UsageCsv, has_the_members_as_columns) {
    EXPECT_EQ(usage_csv(report, {UsageGroup::model, UsageGroup::day}),
              "model,day,turns,input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens,usd,"
              "hedge_usd,unpriced_turns\r\n"
              "\"a/\"\"x\"\",y\",2024-11-22,2,3,4,5,6,7,0.000123000,0.000000001,0\r\n"
              "b/z,2024-11-23,1,0,0,0,0,0,0.000000000,0.000000000,1\r\n");
    EXPECT_EQ(usage_csv({}, {UsageGroup::session}),
              "session,turns,input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens,usd,"
              "hedge_usd\r\n");
}

}  // namespace
}  // namespace tertulia::api
