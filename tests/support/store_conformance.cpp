#include "tests/support/store_conformance.h"

#include <gmock/gmock.h>

#include <array>
#include <future>
#include <tuple>
#include <vector>

#include "tertulia/async/spawn.h"
#include "tertulia/base/clock.h"
#include "tertulia/sessions/event_record.h"

namespace tertulia::tests {

using base::Errc;
using sessions::MessageQuery;
using sessions::SessionKey;
using sessions::StoredMessage;
using sessions::TurnState;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

constexpr std::int64_t base_us = 1'732'271'400'000'000;  // 2024-11-22T10:30:00Z
constexpr std::int64_t no_limit = 1 << 30;
const SessionKey key_s{"local", "s"};

std::vector<std::string> contents(const std::vector<StoredMessage>& messages) {
    std::vector<std::string> result;
    for (const StoredMessage& message : messages) result.push_back(message.content);
    return result;
}

std::vector<std::string> ids(const sessions::SessionPage& page) {
    std::vector<std::string> result;
    for (const auto& header : page.sessions) result.push_back(header.session_id);
    return result;
}

}  // namespace

std::string at(int second, int microsecond) {
    return base::format_timestamp(base_us + second * 1'000'000LL + microsecond);
}

sessions::TurnStart start_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                             const std::string& content, const std::string& owner) {
    sessions::TurnStart start;
    start.key = {owner, session};
    start.message.role = chat::Role::user;
    start.message.content = content;
    start.message.timestamp = timestamp;
    start.message.created_at = timestamp;
    start.message.turn_id = turn;
    return start;
}

sessions::TurnEnd end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                         const std::string& content, const std::string& owner) {
    sessions::TurnEnd end;
    end.key = {owner, session};
    end.message.role = chat::Role::assistant;
    end.message.content = content;
    end.message.timestamp = timestamp;
    end.message.created_at = timestamp;
    end.message.turn_id = turn;
    end.message.model = "local/model";
    return end;
}

sessions::TurnStart rewrite_of(const std::string& session, const std::string& turn, const std::string& place,
                               const std::string& created_at) {
    sessions::TurnStart start;
    start.key = {"local", session};
    start.rewrites = place;
    start.message.turn_id = turn;
    start.message.created_at = created_at;
    return start;
}

sessions::TurnEnd failed_end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                                const std::string& content) {
    auto end = end_of(session, turn, timestamp, content);
    end.message.state = TurnState::failed;
    end.message.events = std::string("\x01\0\xff\x09", 4) + turn;
    end.message.outcome = {.conversation_length = 2,
                           .messages_sent = 1,
                           .ignored = {"seed"},
                           .error = base::Error{.code = Errc::timed_out, .message = "too slow"}};
    return end;
}

TEST_P(StoreConformance, an_unknown_session_is_nowhere) {
    EXPECT_FALSE(run(store->open(key_s, 10, no_limit)).value().has_value());
    EXPECT_THAT(run(store->older(key_s, at(1), 10, no_limit)).value(), IsEmpty());
    EXPECT_FALSE(run(store->messages(key_s, {})).value().has_value());
    EXPECT_THAT(ids(run(store->sessions("local", 10, "")).value()), IsEmpty());
    EXPECT_FALSE(run(store->remove(key_s)).value());
    EXPECT_EQ(run(store->close_interrupted(base_us)).value(), 0);
}

TEST_P(StoreConformance, a_turn_adds_two_messages_and_brings_the_header_up_to_date) {
    auto start = start_of("s", "t1", at(1), "What is machine learning?");
    start.model = "openai/gpt";
    start.system = "Be brief.";
    start.context_from = at(0);
    start.context_window = 8192;
    ASSERT_TRUE(run(store->begin_turn(start)));
    auto snapshot = run(store->open(key_s, 10, no_limit)).value().value();
    EXPECT_EQ(snapshot.header, (sessions::SessionHeader{.session_id = "s",
                                                        .message_count = 1,
                                                        .last_timestamp = at(1),
                                                        .last_activity = at(1),
                                                        .first_words = "What is machine learning?",
                                                        .model = "openai/gpt",
                                                        .system = "Be brief.",
                                                        .context_from = at(0),
                                                        .context_window = 8192}));
    auto end = end_of("s", "t1", at(2), "Learning from data.");
    end.message.created_at = at(3);
    ASSERT_TRUE(run(store->end_turn(end)));
    snapshot = run(store->open(key_s, 10, no_limit)).value().value();
    EXPECT_EQ(snapshot.header.message_count, 2);
    EXPECT_EQ(snapshot.header.last_timestamp, at(2));
    EXPECT_EQ(snapshot.header.last_activity, at(3));
    EXPECT_EQ(snapshot.header.model, "openai/gpt");
    EXPECT_THAT(snapshot.newest, ElementsAre(end.message, start.message));
    EXPECT_FALSE(snapshot.more);
}

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

TEST_P(StoreConformance, a_later_turn_replaces_what_is_sticky_but_not_the_first_words) {
    auto first = start_of("s", "t1", at(1), "first");
    first.model = "a/b";
    first.system = "old";
    ASSERT_TRUE(run(store->begin_turn(first)));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
    auto second = start_of("s", "t2", at(3), "second");
    second.system = "new";
    ASSERT_TRUE(run(store->begin_turn(second)));
    const auto header = run(store->open(key_s, 1, no_limit)).value().value().header;
    EXPECT_EQ(header.first_words, "first");
    EXPECT_EQ(header.model, "");
    EXPECT_EQ(header.system, "new");
    EXPECT_EQ(header.message_count, 3);
}

TEST_P(StoreConformance, first_words_are_cut_at_a_character) {
    std::string content(119, 'x');
    content += "é and more";
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), content))));
    EXPECT_EQ(run(store->open(key_s, 1, no_limit)).value().value().header.first_words, std::string(119, 'x'));
}

TEST_P(StoreConformance, every_member_of_a_message_survives) {
    auto start = start_of("s", "t1", at(1), std::string("nul ") + '\0' + " inside, \xF0\x9F\x98\x80 and \"quotes\"");
    start.message.metadata = R"({"k":"v"})";
    start.message.created_at = at(7);
    ASSERT_TRUE(run(store->begin_turn(start)));
    auto end = end_of("s", "t1", at(2), "text");
    end.message.blocks = {chat::Thinking{"hm", "sig==", "anthropic-messages"}, chat::Text{"text"},
                          chat::ToolCall{"id1", "get_weather", R"({"city":"Köln"})"},
                          chat::Native{R"({"type":"odd","x":[1,2]})", "anthropic-messages"}};
    end.message.state = TurnState::failed;
    end.message.stop_reason = chat::StopReason::tool_use;
    end.message.usage = chat::Usage{
        .input = 1, .cache_read = 2, .cache_write = 3, .output = 4, .reasoning = 5, .output_estimated = true};
    end.message.cost_nano = 123'456'789'012;
    ASSERT_TRUE(run(store->end_turn(end)));
    EXPECT_THAT(run(store->messages(key_s, {})).value().value().messages, ElementsAre(start.message, end.message));
}

TEST_P(StoreConformance, empty_members_come_back_empty) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), ""))));
    auto end = end_of("s", "t1", at(2), "");
    end.message.model.clear();
    end.message.state = TurnState::cancelled;
    end.message.usage = chat::Usage{};
    end.message.cost_nano = 0;
    ASSERT_TRUE(run(store->end_turn(end)));
    const auto messages = run(store->messages(key_s, {})).value().value().messages;
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_EQ(messages[1], end.message);
    EXPECT_EQ(messages[0].usage, std::nullopt);
    EXPECT_EQ(messages[0].cost_nano, std::nullopt);
    EXPECT_EQ(messages[0].stop_reason, std::nullopt);
}

TEST_P(StoreConformance, blocks_of_plain_text_are_not_kept_beside_the_text) {
    auto start = start_of("s", "t1", at(1), "hello");
    start.message.blocks = {chat::Text{"hello"}};
    ASSERT_TRUE(run(store->begin_turn(start)));
    EXPECT_THAT(run(store->open(key_s, 1, no_limit)).value().value().newest.at(0).blocks, IsEmpty());
}

TEST_P(StoreConformance, a_large_message_survives) {
    const std::string large(3 << 20, 'x');
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), large))));
    EXPECT_TRUE(run(store->open(key_s, 1, no_limit)).value().value().newest.at(0).content == large);
}

TEST_P(StoreConformance, a_timestamp_that_is_not_greater_than_the_last_is_a_conflict_and_writes_nothing) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(5)))));
    for (const std::string& timestamp : {at(5), at(4), at(0)}) {
        const auto result = run(store->begin_turn(start_of("s", "t2", timestamp)));
        ASSERT_FALSE(result) << timestamp;
        EXPECT_EQ(result.error().code, Errc::conflict);
    }
    EXPECT_EQ(run(store->open(key_s, 10, no_limit)).value().value().header.message_count, 2);
    EXPECT_EQ(run(store->close_interrupted(base_us)).value(), 0);
}

TEST_P(StoreConformance, timestamps_are_ordered_as_text_whatever_their_form) {
    // What another program may have written.
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", "2024-11-22T10:30:00+00:00"))));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", "2024-11-22T10:30:00Z"))));
    const auto refused = run(store->begin_turn(start_of("s", "t2", "2024-11-22T10:30:00.500000Z")));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    const std::string next = base::next_timestamp("2024-11-22T10:30:00Z", base_us);
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", next, "third"))));
    EXPECT_THAT(contents(run(store->messages(key_s, {})).value().value().messages),
                ElementsAre("question", "answer", "third"));
}

TEST_P(StoreConformance, the_end_of_a_turn_that_is_not_running_is_not_found_and_writes_nothing) {
    EXPECT_EQ(run(store->end_turn(end_of("s", "t1", at(1)))).error().code, Errc::not_found);
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    EXPECT_EQ(run(store->end_turn(end_of("s", "t2", at(2)))).error().code, Errc::not_found);
    EXPECT_EQ(run(store->end_turn(end_of("s", "", at(2)))).error().code, Errc::not_found);
    EXPECT_EQ(run(store->end_turn(end_of("s", "t1", at(2), "x", "other"))).error().code, Errc::not_found);
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
    EXPECT_EQ(run(store->end_turn(end_of("s", "t1", at(3)))).error().code, Errc::not_found);
    EXPECT_EQ(run(store->open(key_s, 10, no_limit)).value().value().header.message_count, 2);
    EXPECT_FALSE(run(store->open({"other", "s"}, 10, no_limit)).value());
}

TEST_P(StoreConformance, a_turn_whose_end_was_never_written_is_closed_before_the_next_one) {
    struct Case {
        std::string first, second;
    };
    int number = 0;
    for (const Case& c : {Case{at(1), at(9)}, Case{at(1), at(1, 1)}, Case{at(1), at(1) + "0"},
                          Case{"2024-11-22T10:30:00Z", "2024-11-22T10:30:01Z"}}) {
        const std::string session = "s" + std::to_string(++number);
        auto start = start_of(session, "t1", c.first, "lost");
        start.model = "a/b";
        ASSERT_TRUE(run(store->begin_turn(start)));
        ASSERT_TRUE(run(store->begin_turn(start_of(session, "t2", c.second, "next")))) << c.second;
        const auto snapshot = run(store->open({"local", session}, 10, no_limit)).value().value();
        EXPECT_EQ(snapshot.header.message_count, 3);
        ASSERT_THAT(contents(snapshot.newest), ElementsAre("next", "", "lost"));
        const StoredMessage& answer = snapshot.newest[1];
        EXPECT_EQ(answer.role, chat::Role::assistant);
        EXPECT_EQ(answer.state, TurnState::interrupted);
        EXPECT_EQ(answer.turn_id, "t1");
        EXPECT_EQ(answer.model, "a/b");
        EXPECT_EQ(run(store->end_turn(end_of(session, "t1", "2025"))).error().code, Errc::not_found);
        EXPECT_TRUE(run(store->end_turn(end_of(session, "t2", "2025"))));
    }
}

TEST_P(StoreConformance, one_turn_is_closed_as_interrupted) {
    if (store->is_shared()) return;  // `turn` sees to that
    ASSERT_TRUE(run(store->begin_turn(start_of("a", "t1", at(1)))));
    ASSERT_TRUE(run(store->begin_turn(start_of("b", "t2", at(1)))));
    for (const sessions::TurnName& other : {sessions::TurnName{{"local", "a"}, "t2"},
                                            {{"local", "c"}, "t1"},
                                            {{"other", "a"}, "t1"},
                                            {{"local", "a"}, ""}}) {
        EXPECT_TRUE(run(store->close_turn(other, base_us)));
        EXPECT_FALSE(run(store->turn({{"local", "a"}, "t1"})).value()->answer);
    }
    const sessions::TurnName name{{"local", "a"}, "t1"};
    EXPECT_TRUE(run(store->close_turn(name, base_us + 10'000'000)));
    EXPECT_TRUE(run(store->close_turn(name, base_us + 20'000'000)));
    const auto turn = run(store->turn(name)).value().value();
    EXPECT_EQ(turn.answer->state, TurnState::interrupted);
    EXPECT_EQ(turn.answer->timestamp, at(10));
    EXPECT_EQ(run(store->open({"local", "a"}, 10, no_limit)).value().value().header.message_count, 2);
    EXPECT_TRUE(run(store->end_turn(end_of("b", "t2", at(20)))));
}

TEST_P(StoreConformance, turns_left_running_are_closed_as_interrupted) {
    ASSERT_TRUE(run(store->begin_turn(start_of("a", "t1", at(1)))));
    ASSERT_TRUE(run(store->begin_turn(start_of("b", "t2", at(50), "q", "other"))));
    ASSERT_TRUE(run(store->begin_turn(start_of("c", "t3", at(1)))));
    ASSERT_TRUE(run(store->end_turn(end_of("c", "t3", at(2)))));
    EXPECT_EQ(run(store->close_interrupted(base_us + 10'000'000)).value(), 2);
    EXPECT_EQ(run(store->close_interrupted(base_us + 20'000'000)).value(), 0);

    const auto a = run(store->open({"local", "a"}, 10, no_limit)).value().value();
    EXPECT_EQ(a.newest.at(0).state, TurnState::interrupted);
    EXPECT_EQ(a.newest.at(0).timestamp, at(10));
    EXPECT_EQ(a.newest.at(0).turn_id, "t1");
    EXPECT_EQ(a.header.message_count, 2);
    EXPECT_EQ(a.header.last_timestamp, at(10));
    // The clock stands before the session's last message: the order holds.
    const auto b = run(store->open({"other", "b"}, 10, no_limit)).value().value();
    EXPECT_EQ(b.newest.at(0).timestamp, at(50, 1));
    EXPECT_EQ(b.newest.at(0).created_at, at(10));
    EXPECT_EQ(run(store->open({"local", "c"}, 10, no_limit)).value().value().header.message_count, 2);
    EXPECT_EQ(run(store->end_turn(end_of("a", "t1", at(60)))).error().code, Errc::not_found);
}

TEST_P(StoreConformance, reading_backwards_keeps_to_both_limits) {
    for (int i = 0; i < 5; ++i) {
        const std::string turn = "t" + std::to_string(i);
        ASSERT_TRUE(run(store->begin_turn(start_of("s", turn, at(2 * i), "q" + std::to_string(i)))));
        ASSERT_TRUE(run(store->end_turn(end_of("s", turn, at(2 * i + 1), "a" + std::to_string(i)))));
    }
    auto snapshot = run(store->open(key_s, 3, no_limit)).value().value();
    EXPECT_THAT(contents(snapshot.newest), ElementsAre("a4", "q4", "a3"));
    EXPECT_TRUE(snapshot.more);
    snapshot = run(store->open(key_s, 10, no_limit)).value().value();
    EXPECT_EQ(snapshot.newest.size(), 10u);
    EXPECT_FALSE(snapshot.more);
    snapshot = run(store->open(key_s, 10, 4)).value().value();
    EXPECT_THAT(contents(snapshot.newest), ElementsAre("a4", "q4"));
    EXPECT_TRUE(snapshot.more);
    snapshot = run(store->open(key_s, 10, 0)).value().value();
    EXPECT_THAT(contents(snapshot.newest), ElementsAre("a4"));  // one in any case

    EXPECT_THAT(contents(run(store->older(key_s, at(4), 3, no_limit)).value()), ElementsAre("a1", "q1", "a0"));
    EXPECT_THAT(contents(run(store->older(key_s, at(4), 10, 3)).value()), ElementsAre("a1", "q1"));
    EXPECT_THAT(run(store->older(key_s, at(0), 3, no_limit)).value(), IsEmpty());
}

TEST_P(StoreConformance, pages_of_history) {
    for (int i = 0; i < 3; ++i) {
        const std::string turn = "t" + std::to_string(i);
        ASSERT_TRUE(run(store->begin_turn(start_of("s", turn, at(2 * i), std::to_string(2 * i)))));
        ASSERT_TRUE(run(store->end_turn(end_of("s", turn, at(2 * i + 1), std::to_string(2 * i + 1)))));
    }
    struct Case {
        MessageQuery query;
        std::vector<std::string> contents;
        bool more;
    };
    const std::vector<Case> cases{
        {{.limit = 50, .after = "", .before = ""}, {"0", "1", "2", "3", "4", "5"}, false},
        {{.limit = 2, .after = "", .before = ""}, {"0", "1"}, true},
        {{.limit = 6, .after = "", .before = ""}, {"0", "1", "2", "3", "4", "5"}, false},
        {{.limit = 2, .after = at(1), .before = ""}, {"2", "3"}, true},
        {{.limit = 2, .after = at(3), .before = ""}, {"4", "5"}, false},
        {{.limit = 2, .after = at(5), .before = ""}, {}, false},
        {{.limit = 2, .after = "", .before = at(4)}, {"2", "3"}, false},
        {{.limit = 9, .after = "", .before = at(4)}, {"0", "1", "2", "3"}, false},
        {{.limit = 9, .after = "", .before = at(0)}, {}, false},
        {{.limit = 2, .after = at(0), .before = at(5)}, {"1", "2"}, true},
        {{.limit = 4, .after = at(0), .before = at(5)}, {"1", "2", "3", "4"}, false},
        {{.limit = 4, .after = at(4), .before = at(2)}, {}, false},
        {{.limit = 9, .after = "", .before = "", .max_bytes = 1}, {"0"}, true},
        {{.limit = 9, .after = at(3), .before = "", .max_bytes = 2}, {"4", "5"}, false},
        {{.limit = 9, .after = "", .before = at(4), .max_bytes = 2}, {"2", "3"}, false},
    };
    for (const Case& c : cases) {
        const auto page = run(store->messages(key_s, c.query)).value().value();
        const std::string what =
            fmt::format("limit {} after {} before {}", c.query.limit, c.query.after, c.query.before);
        EXPECT_EQ(contents(page.messages), c.contents) << what;
        EXPECT_EQ(page.more, c.more) << what;
    }
}

TEST_P(StoreConformance, sessions_are_listed_newest_activity_first_in_pages) {
    int second = 0;
    for (const char* session : {"a", "b", "c", "d", "e"})
        ASSERT_TRUE(run(store->begin_turn(start_of(session, "t", at(++second)))));
    ASSERT_TRUE(run(store->end_turn(end_of("b", "t", at(9)))));
    ASSERT_TRUE(run(store->begin_turn(start_of("x", "t", at(10), "q", "other"))));

    EXPECT_THAT(ids(run(store->sessions("local", 10, "")).value()), ElementsAre("b", "e", "d", "c", "a"));
    EXPECT_EQ(run(store->sessions("local", 10, "")).value().next, "");
    auto page = run(store->sessions("local", 2, "")).value();
    EXPECT_THAT(ids(page), ElementsAre("b", "e"));
    page = run(store->sessions("local", 2, page.next)).value();
    EXPECT_THAT(ids(page), ElementsAre("d", "c"));
    page = run(store->sessions("local", 2, page.next)).value();
    EXPECT_THAT(ids(page), ElementsAre("a"));
    EXPECT_EQ(page.next, "");
    EXPECT_EQ(run(store->sessions("local", 5, "")).value().next, "");
}

TEST_P(StoreConformance, sessions_of_one_moment_are_not_lost_between_pages) {
    for (const char* session : {"a", "b", "c"}) ASSERT_TRUE(run(store->begin_turn(start_of(session, "t", at(1)))));
    std::vector<std::string> seen;
    std::string after;
    do {
        const auto page = run(store->sessions("local", 1, after)).value();
        for (const auto& id : ids(page)) seen.push_back(id);
        after = page.next;
    } while (!after.empty() && seen.size() < 10);
    EXPECT_THAT(seen, ElementsAre("c", "b", "a"));
}

TEST_P(StoreConformance, a_foreign_cursor_is_an_invalid_request) {
    EXPECT_EQ(run(store->sessions("local", 1, "nonsense")).error().code, Errc::invalid_request);
}

TEST_P(StoreConformance, one_owner_never_sees_anothers_session) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "mine"))));
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", at(1), "theirs", "other"))));
    EXPECT_THAT(contents(run(store->messages(key_s, {})).value().value().messages), ElementsAre("mine"));
    EXPECT_TRUE(run(store->remove({"other", "s"})).value());
    EXPECT_THAT(contents(run(store->messages(key_s, {})).value().value().messages), ElementsAre("mine"));
    EXPECT_THAT(ids(run(store->sessions("other", 10, "")).value()), IsEmpty());
}

TEST_P(StoreConformance, a_removed_session_is_gone_and_its_turn_can_never_write) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    EXPECT_TRUE(run(store->remove(key_s)).value());
    EXPECT_FALSE(run(store->open(key_s, 1, no_limit)).value());
    EXPECT_EQ(run(store->end_turn(end_of("s", "t1", at(2)))).error().code, Errc::not_found);
    EXPECT_FALSE(run(store->remove(key_s)).value());
    // The id is free again, and its order begins anew.
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", at(0)))));
    EXPECT_EQ(run(store->open(key_s, 9, no_limit)).value().value().header.message_count, 1);
}

TEST_P(StoreConformance, the_beginning_of_a_turn_gives_the_number_of_messages) {
    EXPECT_EQ(run(store->begin_turn(start_of("s", "t1", at(1)))).value(), 1);
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), "par"))));
    EXPECT_EQ(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))).value(), 2);
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t2", at(2), "partial"))));
    EXPECT_EQ(run(store->begin_turn(start_of("s", "t3", at(5)))).value(), 3);
    // The missing answer counts.
    EXPECT_EQ(run(store->begin_turn(start_of("s", "t4", at(6)))).value(), 5);
}

TEST_P(StoreConformance, a_turn_is_found_by_its_id) {
    EXPECT_FALSE(run(store->turn({key_s, "t1"})).value());
    auto start = start_of("s", "t1", at(1), "first");
    start.message.metadata = R"({"a":1})";
    ASSERT_TRUE(run(store->begin_turn(start)));
    auto turn = run(store->turn({key_s, "t1"})).value().value();
    EXPECT_EQ(turn.question, start.message);
    EXPECT_FALSE(turn.answer);

    const auto end = failed_end_of("s", "t1", at(2), "Hel");
    ASSERT_TRUE(run(store->end_turn(end)));
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", at(3), "second"))));
    turn = run(store->turn({key_s, "t1"})).value().value();
    EXPECT_EQ(turn.question, start.message);
    EXPECT_EQ(turn.answer, end.message);
    turn = run(store->turn({key_s, "t2"})).value().value();
    EXPECT_EQ(turn.question.content, "second");
    EXPECT_FALSE(turn.answer);

    for (const auto& [owner, session, id] : std::vector<std::array<std::string, 3>>{
             {"local", "s", "t9"}, {"local", "s", ""}, {"local", "other", "t1"}, {"other", "s", "t1"}})
        EXPECT_FALSE(run(store->turn({{owner, session}, id})).value()) << owner << session << id;
}

TEST_P(StoreConformance, histories_leave_events_and_outcome_out) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    const auto end = failed_end_of("s", "t1", at(2), "Hel");
    ASSERT_TRUE(run(store->end_turn(end)));
    StoredMessage expected = end.message;
    expected.events.clear();
    expected.outcome.reset();
    EXPECT_EQ(run(store->open(key_s, 1, no_limit)).value().value().newest.at(0), expected);
    EXPECT_EQ(run(store->older(key_s, at(3), 1, no_limit)).value().at(0), expected);
    EXPECT_EQ(run(store->messages(key_s, {})).value().value().messages.at(1), expected);
}

TEST_P(StoreConformance, an_answer_is_rewritten_in_its_place) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "question"))));
    const auto first = failed_end_of("s", "t1", at(2), "Hel");
    ASSERT_TRUE(run(store->end_turn(first)));

    auto again = rewrite_of("s", "t2", at(2), at(3));
    again.message.content = "does not count";
    again.model = "a/b";
    ASSERT_TRUE(run(store->begin_turn(again)));
    auto snapshot = run(store->open(key_s, 10, no_limit)).value().value();
    EXPECT_THAT(contents(snapshot.newest), ElementsAre("Hel", "question"));
    EXPECT_EQ(snapshot.header.message_count, 2);
    EXPECT_EQ(snapshot.header.last_timestamp, at(2));
    EXPECT_EQ(snapshot.header.last_activity, at(3));
    EXPECT_EQ(snapshot.header.model, "a/b");
    EXPECT_EQ(snapshot.newest.at(0).turn_id, "t1");
    auto running = run(store->turn({key_s, "t2"})).value().value();
    EXPECT_EQ(running.question.content, "question");
    EXPECT_FALSE(running.answer);

    auto second = end_of("s", "t2", at(2), "Hello");
    second.message.created_at = at(4);
    second.message.events = "events of t2";
    second.message.outcome.emplace().continues = "t1";
    ASSERT_TRUE(run(store->end_turn(second)));
    snapshot = run(store->open(key_s, 10, no_limit)).value().value();
    EXPECT_THAT(contents(snapshot.newest), ElementsAre("Hello", "question"));
    EXPECT_EQ(snapshot.newest.at(0).turn_id, "t2");
    EXPECT_EQ(snapshot.newest.at(0).state, TurnState::completed);
    EXPECT_EQ(snapshot.header.message_count, 2);
    EXPECT_EQ(snapshot.header.last_timestamp, at(2));
    EXPECT_EQ(snapshot.header.last_activity, at(4));

    // Both turns are as they were.
    const auto one = run(store->turn({key_s, "t1"})).value().value();
    EXPECT_EQ(one.question.turn_id, "t1");
    EXPECT_EQ(one.answer, first.message);
    const auto two = run(store->turn({key_s, "t2"})).value().value();
    EXPECT_EQ(two.question.turn_id, "t1");
    EXPECT_EQ(two.answer, second.message);
    EXPECT_EQ(run(store->end_turn(second)).error().code, Errc::not_found);
}

TEST_P(StoreConformance, an_answer_can_be_rewritten_many_times) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "question"))));
    std::vector<StoredMessage> answers;
    const std::vector<std::string> texts{"", "a", "a\u00e9", "a\u00e9z"};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string turn = "t" + std::to_string(i + 1);
        if (i > 0) ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", turn, at(2), at(3)))));
        answers.push_back(failed_end_of("s", turn, at(2), texts[i]).message);
        answers.back().events = "events of " + turn;
        ASSERT_TRUE(run(store->end_turn({.key = key_s, .message = answers.back()})));
    }
    for (const StoredMessage& answer : answers) {
        const auto turn = run(store->turn({key_s, answer.turn_id})).value().value();
        EXPECT_EQ(turn.answer, answer) << answer.turn_id;
        EXPECT_EQ(turn.question.content, "question");
    }
    EXPECT_EQ(run(store->open(key_s, 10, no_limit)).value().value().newest.size(), 2u);
}

TEST_P(StoreConformance, a_replaced_answer_keeps_its_blocks_and_counts) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    auto first = failed_end_of("s", "t1", at(2), "Hel");
    first.message.blocks = {chat::Thinking{.text = "hm", .signature = "s", .maker = "m"}, chat::Text{"Hel"}};
    first.message.usage = chat::Usage{.input = 1, .cache_read = 2, .cache_write = 3, .output = 4, .reasoning = 5};
    first.message.cost_nano = 77;
    first.message.stop_reason = chat::StopReason::max_tokens;
    ASSERT_TRUE(run(store->end_turn(first)));
    ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))));
    auto second = end_of("s", "t2", at(2), "Hello");
    ASSERT_TRUE(run(store->end_turn(second)));
    EXPECT_EQ(run(store->turn({key_s, "t1"})).value().value().answer, first.message);
    EXPECT_EQ(run(store->turn({key_s, "t2"})).value().value().answer, second.message);
}

TEST_P(StoreConformance, only_the_last_answer_can_be_rewritten_and_only_if_it_is_not_whole) {
    const auto expect_conflict = [&](const std::string& place) {
        const auto refused = run(store->begin_turn(rewrite_of("s", "t9", place, at(90))));
        ASSERT_FALSE(refused) << place;
        EXPECT_EQ(refused.error().code, Errc::conflict) << place;
    };
    expect_conflict(at(2));  // no such session
    EXPECT_FALSE(run(store->open(key_s, 1, no_limit)).value());
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    expect_conflict(at(1));  // a question, whose turn runs
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), "Hel"))));
    expect_conflict(at(1));
    expect_conflict(at(3));
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", at(3)))));
    expect_conflict(at(2));  // the session has moved on
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t2", at(4)))));
    expect_conflict(at(2));
    expect_conflict(at(4));  // whole
    EXPECT_EQ(run(store->open(key_s, 9, no_limit)).value().value().header.message_count, 4);
    EXPECT_EQ(run(store->open(key_s, 9, no_limit)).value().value().header.last_activity, at(4));
    EXPECT_TRUE(run(store->begin_turn(start_of("s", "t3", at(5)))));
}

TEST_P(StoreConformance, a_lost_turn_that_was_rewriting_leaves_the_answer_interrupted_in_its_place) {
    for (const bool at_start : {true, false}) {
        const std::string session = at_start ? "a" : "b";
        const SessionKey key{"local", session};
        ASSERT_TRUE(run(store->begin_turn(start_of(session, "t1", at(1)))));
        const auto first = failed_end_of(session, "t1", at(2), "Hel");
        ASSERT_TRUE(run(store->end_turn(first)));
        auto again = rewrite_of(session, "t2", at(2), at(3));
        again.first_number = 7;
        ASSERT_TRUE(run(store->begin_turn(again)));
        std::vector<std::string> expected{"Hel", "question"};
        if (at_start) {
            EXPECT_EQ(run(store->close_interrupted(base_us + 9'000'000)).value(), 1);
        } else {
            EXPECT_EQ(run(store->begin_turn(start_of(session, "t3", at(9), "next"))).value(), 3);
            expected.insert(expected.begin(), "next");
        }
        const auto snapshot = run(store->open(key, 10, no_limit)).value().value();
        EXPECT_EQ(contents(snapshot.newest), expected);
        EXPECT_EQ(snapshot.header.message_count, std::ssize(expected));
        EXPECT_EQ(snapshot.header.last_activity, at(9));
        const auto turn = run(store->turn({key, "t2"})).value().value();
        ASSERT_TRUE(turn.answer);
        EXPECT_EQ(turn.answer->state, TurnState::interrupted);
        EXPECT_EQ(turn.answer->content, "Hel");
        EXPECT_EQ(turn.answer->timestamp, at(2));
        EXPECT_EQ(turn.answer->created_at, at(9));
        EXPECT_EQ(turn.answer->outcome.value().continues, "t1");
        sessions::EventEntry entry;
        sessions::EventCursor cursor;
        ASSERT_TRUE(cursor.next(turn.answer->events, entry));
        EXPECT_EQ(entry.kind, sessions::EventKind::started);
        EXPECT_EQ(entry.number, 7u);
        ASSERT_TRUE(cursor.next(turn.answer->events, entry));
        EXPECT_EQ(entry.kind, sessions::EventKind::ended);
        EXPECT_EQ(run(store->turn({key, "t1"})).value().value().answer, first.message);
        EXPECT_EQ(run(store->end_turn(end_of(session, "t2", at(2), "Hello"))).error().code, Errc::not_found);
    }
}

TEST_P(StoreConformance, a_lost_turn_that_was_rewriting_can_be_rewritten_itself) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), "Hel"))));
    ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))));
    EXPECT_EQ(run(store->begin_turn(rewrite_of("s", "t3", at(2), at(4)))).value(), 2);
    EXPECT_EQ(run(store->end_turn(end_of("s", "t2", at(2), "no"))).error().code, Errc::not_found);
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t3", at(2), "Hello"))));
    EXPECT_THAT(contents(run(store->messages(key_s, {})).value().value().messages), ElementsAre("question", "Hello"));
    for (const auto& [turn, state, next] : std::vector<std::tuple<std::string, TurnState, std::string>>{
             {"t1", TurnState::failed, "t2"}, {"t2", TurnState::interrupted, "t3"}, {"t3", TurnState::completed, ""}}) {
        EXPECT_EQ(run(store->turn({key_s, turn})).value().value().answer.value().state, state) << turn;
        EXPECT_EQ(run(store->next_turn({key_s, turn})).value(), next) << turn;
    }
}

TEST_P(StoreConformance, an_answer_without_anything_is_tried_again_not_continued) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), ""))));
    ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))));
    EXPECT_EQ(run(store->close_interrupted(base_us)).value(), 1);
    EXPECT_EQ(run(store->turn({key_s, "t2"})).value().value().answer.value().outcome.value().continues, "");
}

TEST_P(StoreConformance, turns_follow_each_other) {
    const auto next = [&](const std::string& turn) { return run(store->next_turn({key_s, turn})).value(); };
    EXPECT_EQ(next("t1"), "");
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    EXPECT_EQ(next("t1"), "");
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), "Hel"))));
    EXPECT_EQ(next("t1"), "");
    ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))));
    EXPECT_EQ(next("t1"), "t2");
    EXPECT_EQ(next("t2"), "");
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t2", at(2), "Hell"))));
    EXPECT_EQ(next("t1"), "t2");
    EXPECT_EQ(next("t2"), "");
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t3", at(4)))));
    EXPECT_EQ(next("t1"), "t2");
    EXPECT_EQ(next("t2"), "t3");
    EXPECT_EQ(next("t3"), "");
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t3", at(5)))));
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t4", at(6)))));
    EXPECT_EQ(next("t2"), "t3");
    EXPECT_EQ(next("t3"), "t4");
    EXPECT_EQ(next("unknown"), "");
    EXPECT_EQ(next(""), "");
    EXPECT_EQ(run(store->next_turn({{"other", "s"}, "t3"})).value(), "");
}

TEST_P(StoreConformance, an_idempotency_key_stands_for_its_turn_until_it_expires) {
    const sessions::IdempotencyRecord record{
        .key = "k", .fingerprint = "f", .session_id = "s", .turn_id = "t1", .expires_us = base_us + 100};
    auto start = start_of("s", "t1", at(1));
    start.idempotency = record;
    ASSERT_TRUE(run(store->begin_turn(start)));
    const auto find = [&](const std::string& owner, const std::string& key, std::int64_t now_us) {
        return run(store->idempotency(owner, key, now_us)).value();
    };
    EXPECT_EQ(find("local", "k", base_us), record);
    EXPECT_EQ(find("local", "k", base_us + 99), record);
    EXPECT_FALSE(find("other", "k", base_us));
    EXPECT_FALSE(find("local", "K", base_us));
    EXPECT_FALSE(find("local", "", base_us));
    // The newest record of a key counts.
    ASSERT_TRUE(run(store->end_turn(failed_end_of("s", "t1", at(2), ""))));
    auto again = rewrite_of("s", "t2", at(2), at(3));
    again.idempotency = record;
    again.idempotency->turn_id = "t2";
    again.idempotency->expires_us = base_us + 200;
    ASSERT_TRUE(run(store->begin_turn(again)));
    EXPECT_EQ(find("local", "k", base_us + 150), again.idempotency);
    EXPECT_FALSE(find("local", "k", base_us + 200));
}

TEST_P(StoreConformance, a_refused_turn_leaves_its_key_alone) {
    auto start = start_of("s", "t1", at(5));
    start.idempotency = {.key = "k", .fingerprint = "f", .session_id = "s", .turn_id = "t1", .expires_us = base_us + 1};
    ASSERT_TRUE(run(store->begin_turn(start)));
    auto late = start_of("s", "t2", at(4));
    late.idempotency = {.key = "k", .fingerprint = "g", .session_id = "s", .turn_id = "t2", .expires_us = base_us + 2};
    ASSERT_FALSE(run(store->begin_turn(late)));
    EXPECT_EQ(run(store->idempotency("local", "k", base_us)).value(), start.idempotency);
}

TEST_P(StoreConformance, a_removed_session_takes_its_turns_and_keys_with_it) {
    for (const char* session : {"s", "kept"}) {
        auto start = start_of(session, "t1", at(1));
        start.idempotency = {.key = std::string("key of ") + session,
                             .fingerprint = "f",
                             .session_id = session,
                             .turn_id = "t1",
                             .expires_us = base_us + 1'000'000'000};
        ASSERT_TRUE(run(store->begin_turn(start)));
        ASSERT_TRUE(run(store->end_turn(failed_end_of(session, "t1", at(2), "Hel"))));
        ASSERT_TRUE(run(store->begin_turn(rewrite_of(session, "t2", at(2), at(3)))));
        ASSERT_TRUE(run(store->end_turn(failed_end_of(session, "t2", at(2), "Hello"))));
        ASSERT_TRUE(run(store->begin_turn(rewrite_of(session, "t3", at(2), at(3)))));
    }
    EXPECT_TRUE(run(store->remove(key_s)).value());
    for (const char* turn : {"t1", "t2", "t3"}) {
        EXPECT_FALSE(run(store->turn({key_s, turn})).value()) << turn;
        EXPECT_EQ(run(store->next_turn({key_s, turn})).value(), "") << turn;
        EXPECT_TRUE(run(store->turn({{"local", "kept"}, turn})).value()) << turn;
    }
    EXPECT_FALSE(run(store->idempotency("local", "key of s", base_us)).value());
    EXPECT_TRUE(run(store->idempotency("local", "key of kept", base_us)).value());
    // A session of the same id has none of it.
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t9", at(1)))));
    EXPECT_FALSE(run(store->turn({key_s, "t1"})).value());
}

TEST_P(StoreConformance, checkpoints_of_turns_that_do_not_run_are_passed_over) {
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    std::vector<sessions::TurnCheckpoint> pieces;
    for (const sessions::TurnName& name :
         {sessions::TurnName{key_s, "t1"}, {key_s, "t9"}, {{"other", "s"}, "t1"}, {{"local", "nowhere"}, "t1"}})
        pieces.push_back({.turn = std::make_shared<const sessions::TurnName>(name), .data = "x"});
    EXPECT_TRUE(run(store->checkpoint(pieces)));
    EXPECT_TRUE(run(store->checkpoint({})));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
    EXPECT_TRUE(run(store->checkpoint(std::move(pieces))));
    EXPECT_EQ(run(store->close_interrupted(base_us)).value(), 0);
    EXPECT_EQ(run(store->open(key_s, 9, no_limit)).value().value().header.message_count, 2);
}

TEST_P(StoreConformance, many_turns_at_once_are_all_kept) {
    constexpr int session_count = 40;
    std::vector<std::future<void>> done;
    const auto talk = [](sessions::SessionStore& store, int number) -> async::Task<void> {
        const std::string session = "s" + std::to_string(number);
        for (int turn = 0; turn < 5; ++turn) {
            const std::string id = "t" + std::to_string(turn);
            const auto began = co_await store.begin_turn(start_of(session, id, at(2 * turn)));
            const auto ended = co_await store.end_turn(end_of(session, id, at(2 * turn + 1)));
            EXPECT_TRUE(began && ended);
        }
    };
    for (int number = 0; number < session_count; ++number) {
        auto finished = std::make_shared<std::promise<void>>();
        done.push_back(finished->get_future());
        async::spawn(runner.executor(), talk(*store, number), [finished](std::exception_ptr exception) {
            EXPECT_FALSE(exception);
            finished->set_value();
        });
    }
    for (auto& future : done) future.get();
    for (int number = 0; number < session_count; ++number) {
        const auto snapshot = run(store->open({"local", "s" + std::to_string(number)}, 100, no_limit)).value().value();
        EXPECT_EQ(snapshot.newest.size(), 10u);
        EXPECT_EQ(snapshot.header.message_count, 10);
    }
}

}  // namespace tertulia::tests
