// What every store knows of bills.
#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tertulia/base/clock.h"
#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using base::Errc;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

// A bill of `tokens` of each class, at `cost` (nothing: no price).
billing::Bill bill_of(const std::string& model, std::int64_t tokens, std::optional<std::int64_t> cost,
                      bool is_hedge = false) {
    return {.model = model,
            .usage = {.input = tokens,
                      .cache_read = 2 * tokens,
                      .cache_write = 3 * tokens,
                      .cache_write_long = 4 * tokens,
                      .output = 5 * tokens,
                      .reasoning = 6 * tokens,
                      .output_estimated = true},
            .cost_nano = cost,
            .is_hedge = is_hedge,
            .price_version = cost ? "2024-11-22" : ""};
}

// What `usage` says of bills of so many tokens in all.
sessions::UsageRow row_of(std::int64_t turns, std::int64_t tokens, std::int64_t cost, std::int64_t hedge = 0,
                          std::int64_t unpriced = 0) {
    return {.turns = turns,
            .input_tokens = tokens,
            .cache_read_tokens = 2 * tokens,
            .cache_write_tokens = 7 * tokens,
            .output_tokens = 5 * tokens,
            .reasoning_tokens = 6 * tokens,
            .cost_nano = cost,
            .hedge_nano = hedge,
            .unpriced_turns = unpriced};
}

sessions::UsageRow named(sessions::UsageRow row, std::string sessions::UsageRow::* name, std::string value) {
    row.*name = std::move(value);
    return row;
}

constexpr std::int64_t day_us = 86'400'000'000;

// A turn of `owner` that ends at `ended_us` with `bills`.
void bill_turn(StoreRunner& runner, sessions::SessionStore& store, const std::string& owner, const std::string& session,
               const std::string& turn, std::int64_t ended_us, std::vector<billing::Bill> bills) {
    const std::string place = base::format_timestamp(ended_us);
    ASSERT_TRUE(
        runner.run(store.begin_turn(start_of(session, turn, base::format_timestamp(ended_us - 1), "question", owner))));
    auto end = end_of(session, turn, place, "answer", owner);
    end.bills = std::move(bills);
    ASSERT_TRUE(runner.run(store.end_turn(std::move(end))));
}

}  // namespace

TEST_P(StoreConformance, the_ledger_adds_up_an_owners_bills) {
    using sessions::UsageGroup;
    using sessions::UsageRow;
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total, UsageRow{});
    bill_turn(runner, *store, "local", "s", "t1", base_us, {bill_of("a/x", 1, 100)});
    // Two attempts, and a hedge that lost.
    bill_turn(runner, *store, "local", "s", "t2", base_us + 5,
              {bill_of("a/x", 10, 20), bill_of("b/y", 100, 7), bill_of("c/z", 1000, 3, true)});
    bill_turn(runner, *store, "local", "r", "t3", base_us + day_us, {bill_of("a/x", 2, std::nullopt)});
    bill_turn(runner, *store, "local", "r", "t4", base_us + day_us + 9, {});
    bill_turn(runner, *store, "other", "s", "t5", base_us, {bill_of("a/x", 1, 1'000'000)});

    const auto report = run(store->usage({.owner = "local"})).value();
    EXPECT_THAT(report.rows, IsEmpty());
    EXPECT_EQ(report.total, row_of(3, 113, 127, 3, 1));

    const auto by_model = run(store->usage({.owner = "local", .group_by = {UsageGroup::model}})).value();
    EXPECT_EQ(by_model.total, report.total);
    EXPECT_THAT(by_model.rows, ElementsAre(named(row_of(3, 13, 120, 0, 1), &UsageRow::model, "a/x"),
                                           named(row_of(1, 100, 7), &UsageRow::model, "b/y"),
                                           named(row_of(0, 0, 0, 3), &UsageRow::model, "c/z")));

    const auto by_day_session =
        run(store->usage({.owner = "local", .group_by = {UsageGroup::day, UsageGroup::session}})).value();
    EXPECT_THAT(
        by_day_session.rows,
        ElementsAre(named(named(row_of(2, 111, 127, 3), &UsageRow::day, "2024-11-22"), &UsageRow::session_id, "s"),
                    named(named(row_of(1, 2, 0, 0, 1), &UsageRow::day, "2024-11-23"), &UsageRow::session_id, "r")));

    const auto by_owner = run(store->usage({.owner = "other", .group_by = {UsageGroup::owner}})).value();
    EXPECT_THAT(by_owner.rows, ElementsAre(named(row_of(1, 1, 1'000'000), &UsageRow::owner, "other")));
}

TEST_P(StoreConformance, a_report_has_its_bounds_and_its_limit) {
    using sessions::UsageGroup;
    for (int i = 0; i < 4; ++i)
        bill_turn(runner, *store, "local", "s" + std::to_string(i), "t" + std::to_string(i), base_us + i,
                  {bill_of("a/x", 1, 10)});
    const auto turns = [&](std::int64_t from, std::int64_t to) {
        return run(store->usage({.owner = "local", .from_us = from, .to_us = to})).value().total.turns;
    };
    EXPECT_EQ(turns(base_us, base_us + 4), 4);
    EXPECT_EQ(turns(base_us + 1, base_us + 3), 2);
    EXPECT_EQ(turns(base_us + 1, base_us + 1), 0);
    EXPECT_EQ(turns(base_us + 4, base_us), 0);
    EXPECT_EQ(run(store->usage({.owner = "local", .session_id = "s2"})).value().total, row_of(1, 1, 10));
    auto report = run(store->usage({.owner = "local", .group_by = {UsageGroup::session}, .max_rows = 3})).value();
    EXPECT_TRUE(report.more);
    ASSERT_EQ(report.rows.size(), 3U);
    EXPECT_EQ(report.rows.back().session_id, "s2");
    EXPECT_EQ(report.total.turns, 4);
    report = run(store->usage({.owner = "local", .group_by = {UsageGroup::session}, .max_rows = 4})).value();
    EXPECT_FALSE(report.more);
    EXPECT_EQ(report.rows.size(), 4U);
}

TEST_P(StoreConformance, a_session_knows_what_it_has_cost_and_the_ledger_outlives_it) {
    bill_turn(runner, *store, "local", "s", "t1", base_us, {bill_of("a/x", 1, 100), bill_of("a/x", 1, 20, true)});
    bill_turn(runner, *store, "local", "s", "t2", base_us + 2, {bill_of("a/x", 1, 3), bill_of("b/y", 1, std::nullopt)});
    EXPECT_EQ(run(store->open(key_s, 1, no_limit)).value().value().header.spent_nano, 123);
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t3", at(1)))));
    ASSERT_TRUE(run(store->remove(key_s)).value());
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total, row_of(2, 3, 103, 20, 1));
    // The provider was paid for the turn that ran meanwhile, too.
    auto late = end_of("s", "t3", at(2));
    late.bills = {bill_of("a/x", 1, 1'000)};
    for (int i = 0; i < 2; ++i) {
        const auto ended = run(store->end_turn(late));
        ASSERT_FALSE(ended);
        EXPECT_EQ(ended.error().code, Errc::not_found);
    }
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total, row_of(3, 4, 1'103, 20, 1));
}

TEST_P(StoreConformance, an_end_that_is_refused_for_its_place_writes_no_bill) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(2)))));
    auto end = end_of("s", "t1", at(1));
    end.bills = {bill_of("a/x", 1, 100)};
    EXPECT_FALSE(run(store->end_turn(end)));
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total.turns, 0);
}

}  // namespace tertulia::tests
