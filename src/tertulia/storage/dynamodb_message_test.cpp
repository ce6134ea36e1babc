#include "tertulia/storage/dynamodb_message.h"
#include "tertulia/storage/dynamodb_keys.h"
#include "tertulia/storage/outcome_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <string>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/storage/dynamodb_cache.h"
#include "tertulia/storage/dynamodb_header.h"

namespace tertulia::storage {
namespace {

using sessions::StoredMessage;
using sessions::TurnState;

const std::string place = "2024-11-22T10:30:00.000000Z";

DynamoMessage answer_with(std::string content) {
    DynamoMessage whole;
    whole.message = {.role = chat::Role::assistant,
                     .content = std::move(content),
                     .timestamp = place,
                     .created_at = "2024-11-22T10:30:09.000000Z",
                     .turn_id = "t1"};
    return whole;
}

DynamoMessage everything() {
    DynamoMessage whole = answer_with("text");
    whole.message.blocks = {chat::Thinking{"hm", "sig==", "m"}, chat::Text{"text"}};
    whole.message.state = TurnState::failed;
    whole.message.model = "a/b";
    whole.message.stop_reason = chat::StopReason::max_tokens;
    whole.message.usage = chat::Usage{.input = 1,
                                      .cache_read = 2,
                                      .cache_write = 3,
                                      .output = 4,
                                      .reasoning = 5,
                                      .input_estimated = true,
                                      .output_estimated = true};
    whole.message.cost_nano = 0;
    whole.message.metadata = R"({"k":1})";
    whole.message.events = std::string("\0\xff\x01", 3);
    whole.message.outcome = sessions::TurnOutcome{.messages_sent = 3};
    whole.totals = {.messages = 8, .spent_nano = 77, .context_from = place, .context_window = 4096};
    whole.first_number = 5;
    whole.billed = {{.turn_id = "t0",
                     .ended_at = place,
                     .bills = {{.model = "a/b",
                                .usage = {.input = 1, .cache_write_long = 2, .output_estimated = true},
                                .cost_nano = 9,
                                .is_hedge = true,
                                .price_version = "v"},
                               {.model = "c/d"}}}};
    return whole;
}

// The items as a table gives them, each with its place and the mark of its write.
std::vector<DynamoItem> stored(const DynamoMessage& message, std::size_t part_bytes, const std::string& write = "w1",
                               std::int64_t base = 1) {
    std::vector<DynamoItem> items = encode_message(message, part_bytes);
    for (std::size_t i = 0; i < items.size(); ++i) {
        items[i]["timestamp"] = dynamo_text(
            i == 0 ? message.message.timestamp
                   : part_place(message.message.timestamp, base + static_cast<std::int64_t>(i) - 1).value());
        if (items.size() > 1) items[i]["w"] = dynamo_text(write);
    }
    return items;
}

std::vector<DynamoMessage> assemble(std::vector<DynamoItem> items, bool newest_first) {
    std::ranges::sort(items, {}, [](const DynamoItem& item) { return std::string(text_of(item, "timestamp")); });
    if (newest_first) std::ranges::reverse(items);
    MessageAssembler assembler(newest_first, true);
    std::vector<DynamoMessage> messages;
    for (DynamoItem& item : items)
        if (auto message = assembler.add(std::move(item))) messages.push_back(std::move(*message));
    return messages;
}

TEST(DynamoMessage, EveryMemberComesBack) {
    const DynamoMessage whole = everything();
    const auto messages = assemble(stored(whole, dynamo_part_bytes), true);
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0], whole);
}

TEST(DynamoMessage, AnOrdinaryOneSaysNoMoreThanItMust) {
    std::vector<std::string> names;
    const std::vector<DynamoItem> items = encode_message(answer_with("hi"));
    for (const auto& [name, value] : items.at(0)) names.emplace_back(name);
    EXPECT_THAT(names, testing::UnorderedElementsAre("role", "content", "created_at", "turn"));
}

// As tables have them from before: the same in more bytes.
TEST(DynamoMessage, WhatEarlierVersionsWroteIsRead) {
    const DynamoMessage whole = everything();
    std::vector<DynamoItem> items = stored(whole, dynamo_part_bytes);
    DynamoItem& item = items.at(0);
    item.erase("rest");
    item["outcome"] = dynamo_text(outcome_to_json(whole.message.outcome.value()));
    item["events"] = dynamo_bytes(whole.message.events);
    item["bills"] = dynamo_text(bills_to_json(whole.billed));
    EXPECT_EQ(assemble(std::move(items), true).at(0), whole);
}

TEST(DynamoMessage, ABillThatTheMessageTellsItselfIsNotKeptTwice) {
    DynamoMessage whole = answer_with("hi");
    whole.message.model = "a/b";
    whole.message.usage =
        chat::Usage{.input = 1, .cache_read = 2, .cache_write = 3, .output = 4, .output_estimated = true};
    whole.billed = {{.turn_id = whole.message.turn_id,
                     .ended_at = whole.message.created_at,
                     .bills = {{.model = "a/b", .usage = *whole.message.usage, .price_version = "v"}}}};
    const auto round = [&] { return assemble(stored(whole, dynamo_part_bytes), true).at(0); };
    EXPECT_FALSE(encode_message(whole).at(0).contains("bills"));
    EXPECT_EQ(round(), whole) << "without a price";
    whole.message.cost_nano = whole.billed[0].bills[0].cost_nano = 7;
    EXPECT_FALSE(encode_message(whole).at(0).contains("bills"));
    EXPECT_EQ(round(), whole);
    const auto expect_kept = [&](auto change) {
        const DynamoMessage before = whole;
        change(whole.billed[0], whole.billed[0].bills[0]);
        EXPECT_TRUE(encode_message(whole).at(0).contains("bills"));
        EXPECT_EQ(round(), whole);
        whole = before;
    };
    expect_kept([](BilledTurn& turn, billing::Bill&) { turn.turn_id = "t_other"; });
    expect_kept([](BilledTurn& turn, billing::Bill&) { turn.ended_at = "2026-01-01T00:00:00.000000Z"; });
    expect_kept([](BilledTurn&, billing::Bill& bill) { bill.model = "c/d"; });
    expect_kept([](BilledTurn&, billing::Bill& bill) { bill.is_hedge = true; });
    expect_kept([](BilledTurn&, billing::Bill& bill) { bill.cost_nano = 8; });
    expect_kept([](BilledTurn&, billing::Bill& bill) { bill.usage.output += 1; });
}

TEST(DynamoMessage, ItemsOfAnotherProgramAreMessages) {
    const DynamoItem item{{"session_id", dynamo_text("s")},   {"timestamp", dynamo_text("2024-11-22T10:30:00+00:00")},
                          {"role", dynamo_text("user")},      {"content", dynamo_text("hello")},
                          {"created_at", dynamo_text("now")}, {"odd", {{"L", boost::json::array{}}}}};
    const auto messages = assemble({item}, false);
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].message, (StoredMessage{.role = chat::Role::user,
                                                  .content = "hello",
                                                  .timestamp = "2024-11-22T10:30:00+00:00",
                                                  .created_at = "now"}));
    EXPECT_FALSE(messages[0].totals.messages);
}

TEST(DynamoMessage, RubbishIsReadAsItsMostHarmlessMeaning) {
    for (const char* json :
         {R"({})", R"({"role":{"S":"?"},"state":{"S":"?"},"tokens":{"S":"1/2"},"parts":{"N":"-4"}})",
          R"({"role":7,"content":{"N":"1"},"tokens":{"S":"1/2/x/4/5"},"bills":{"S":"[[1,2,3],{}]"}})",
          R"({"events":{"B":"***"},"blocks":{"S":"["},"cost":{"N":"x"},"n":{"N":""}})"}) {
        const auto item = base::parse_json(json).value().as_object();
        const auto message = decode_message({&item}, true);
        EXPECT_EQ(message.message.role, chat::Role::user) << json;
        EXPECT_EQ(message.message.state, TurnState::completed) << json;
        EXPECT_FALSE(message.message.usage) << json;
    }
}

TEST(DynamoMessage, PartsAreCutBetweenCharactersAndJoinedWhereverTheyEnd) {
    DynamoMessage whole = everything();
    whole.message.content.clear();
    for (int i = 0; i < 12; ++i) whole.message.content += "a\u00e9\u20ac\U0001F600";
    whole.message.events = std::string(40, '\xfe');
    for (std::size_t bytes = 4; bytes < 200; ++bytes) {
        const auto items = stored(whole, bytes);
        for (const DynamoItem& item : items) {
            EXPECT_EQ(base::find_invalid_utf8(text_of(item, "content")), std::string::npos);
            EXPECT_FALSE(text_of(item, "role").empty());
            EXPECT_TRUE(item.contains("content"));
        }
        for (const bool newest_first : {true, false}) {
            auto messages = assemble(items, newest_first);
            ASSERT_EQ(messages.size(), 1u) << bytes;
            EXPECT_EQ(messages[0].parts, std::ssize(items));
            messages[0].parts = 1;
            EXPECT_EQ(messages[0], whole) << bytes;
        }
    }
}

TEST(DynamoMessage, PartsOfOtherWritesAreNotMixedIn) {
    const DynamoMessage real = answer_with("the real one, long enough for a few parts");
    DynamoMessage late = answer_with("another that came too late, and is as long");
    std::vector<DynamoItem> items = stored(real, 8, "w2", 100);
    for (const std::int64_t base : {1, 300}) {
        std::vector<DynamoItem> unfinished = stored(late, 8, "w1", base);
        items.insert(items.end(), std::next(unfinished.begin()), unfinished.end());  // all but its own item
    }
    DynamoMessage next = answer_with("after it");
    next.message.timestamp = sessions::answer_place(place);
    for (DynamoItem& item : stored(next, 100)) items.push_back(std::move(item));
    for (const bool newest_first : {true, false}) {
        auto messages = assemble(items, newest_first);
        if (newest_first) std::ranges::reverse(messages);
        ASSERT_EQ(messages.size(), 2u);
        EXPECT_EQ(messages[0].message.content, real.message.content);
        EXPECT_EQ(messages[1].message.content, "after it");
    }
}

TEST(DynamoMessage, WhatIsNotWholeIsNoMessage) {
    const DynamoMessage whole = answer_with("long enough for a few parts");
    const std::vector<DynamoItem> items = stored(whole, 8);
    for (std::size_t missing = 0; missing < items.size(); ++missing) {
        auto rest = items;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(missing));
        for (const bool newest_first : {true, false}) EXPECT_TRUE(assemble(rest, newest_first).empty()) << missing;
    }
}

TEST(PartPlace, StaysWithinTheMessagesOwnMillisecond) {
    EXPECT_EQ(part_place(place, 1), "2024-11-22T10:30:00.000001Z");
    EXPECT_EQ(part_place(place, 999), "2024-11-22T10:30:00.000999Z");
    EXPECT_LT(*part_place(place, 999), sessions::answer_place(place));
    EXPECT_EQ(part_place(place, 1000), std::nullopt);
    EXPECT_EQ(part_place("2024-11-22T10:30:00+00:00", 1), std::nullopt);
    EXPECT_EQ(part_place("", 1), std::nullopt);
}

TEST(DynamoSession, NamesOtherOwnersToo) {
    EXPECT_EQ(dynamo_session({"local", "s"}), "s");
    EXPECT_EQ(dynamo_session({"ada", "s"}), "ada|s");
}

TEST(DynamoHeader, EndsWhereTheAnswerIs) {
    DynamoHeader header{.turn = "t1"};
    DynamoMessage answer = answer_with("x");
    EXPECT_FALSE(has_ended(header, nullptr));
    EXPECT_TRUE(has_ended(header, &answer));
    answer.message.role = chat::Role::user;
    EXPECT_FALSE(has_ended(header, &answer));
    answer = answer_with("x");
    answer.message.turn_id = "t0";
    EXPECT_FALSE(has_ended(header, &answer));
    header.turn.clear();
    answer.message.turn_id.clear();
    EXPECT_FALSE(has_ended(header, &answer)) << "another program's";
}

TEST(DynamoHeader, IsReadWhateverIsMissing) {
    EXPECT_EQ(read_header_item({}), DynamoHeader());
    const DynamoHeader header = read_header_item({{"sk", dynamo_text("S#s")},
                                                  {"title", dynamo_text("hello")},
                                                  {"until", dynamo_number(5)},
                                                  {"v", dynamo_text("no number")},
                                                  {"rewrites", dynamo_text(place)},
                                                  {"first", dynamo_number(7)},
                                                  {"handed", dynamo_number(1)}});
    EXPECT_EQ(header, (DynamoHeader{.session_id = "s",
                                    .first_words = "hello",
                                    .until_ms = 5,
                                    .rewrites = place,
                                    .first_number = 7,
                                    .is_handed_over = true}));
}

TEST(DynamoHeader, KnowsTheSessionFromItsNewestMessage) {
    DynamoMessage newest = everything();
    DynamoHeader header{.first_words = "hello", .model = "a/b", .system = "s", .turn = "t2"};
    const auto shown = session_header("s", header, &newest);
    EXPECT_EQ(shown, (sessions::SessionHeader{.session_id = "s",
                                              .message_count = 8,
                                              .last_timestamp = place,
                                              .last_activity = newest.message.created_at,
                                              .first_words = "hello",
                                              .model = "a/b",
                                              .system = "s",
                                              .context_from = place,
                                              .context_window = 4096,
                                              .spent_nano = 77}));
    header.rewrites = place;
    header.last_activity = "later";
    header.context_window = 1;
    EXPECT_EQ(session_header("s", header, &newest).last_activity, "later");
    EXPECT_EQ(session_header("s", header, &newest).context_window, 1);
    header.turn = "t1";
    EXPECT_EQ(session_header("s", header, &newest).context_window, 4096) << "the answer is there";
}

TEST(DynamoCache, KeepsWhatWasUsedLast) {
    DynamoCache cache(30'000);
    const auto session = [](std::size_t bytes) {
        WarmSession warm;
        warm.newest.push_back(answer_with(std::string(bytes, 'x')));
        return warm;
    };
    for (const char* id : {"a", "b", "c"}) cache.put({"local", id}, session(8'000));
    ASSERT_TRUE(cache.take({"local", "a"}));
    EXPECT_FALSE(cache.take({"local", "a"})) << "it was taken out";
    cache.put({"local", "a"}, session(8'000));
    cache.put({"local", "d"}, session(8'000));
    EXPECT_FALSE(cache.take({"local", "b"}));
    for (const char* id : {"a", "c", "d"}) EXPECT_TRUE(cache.take({"local", id})) << id;
    EXPECT_EQ(cache.bytes(), 0u);
    cache.put({"local", "large"}, session(40'000));
    EXPECT_FALSE(cache.take({"local", "large"}));
    EXPECT_EQ(cache.bytes(), 0u);
}

TEST(DynamoCache, KeepsTheNewestOfALongHistory) {
    DynamoCache cache(10 << 20);
    WarmSession warm;
    for (int i = 0; i < 100; ++i) warm.newest.push_back(answer_with(std::to_string(i)));
    cache.put({"local", "s"}, warm);
    auto kept = cache.take({"local", "s"});
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->newest.size(), 64u);
    EXPECT_EQ(kept->newest.front().message.content, "0");
    EXPECT_TRUE(kept->more);
    warm.newest.resize(3);
    for (DynamoMessage& each : warm.newest) each.message.content.assign(60'000, 'x');
    cache.put({"local", "s"}, warm);
    EXPECT_EQ(cache.take({"local", "s"})->newest.size(), 1u);
}

// Newest first: answer, question, answer, question.
std::vector<DynamoMessage> two_turns(std::int64_t first = 1) {
    std::vector<DynamoMessage> newest(4);
    for (std::size_t i = 0; i < newest.size(); ++i) {
        newest[i].totals.messages = first + 3 - static_cast<std::int64_t>(i);
        newest[i].message.role = i % 2 == 0 ? chat::Role::assistant : chat::Role::user;
        newest[i].message.turn_id = i < 2 ? "t2" : "t1";
    }
    return newest;
}

TEST(DynamoMessage, a_view_is_unbroken_where_nothing_can_be_missing) {
    EXPECT_TRUE(is_unbroken({}, false));
    EXPECT_TRUE(is_unbroken(two_turns(), false));
    EXPECT_TRUE(is_unbroken(two_turns(7), true));
    EXPECT_FALSE(is_unbroken(two_turns(7), false)) << "the oldest are missing";
    for (std::size_t i = 1; i + 1 < 4; ++i) {
        auto gap = two_turns();
        gap.erase(gap.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(is_unbroken(gap, false)) << i;
    }
    auto back_from_the_dead = two_turns();
    back_from_the_dead.push_back(two_turns().front());
    EXPECT_FALSE(is_unbroken(back_from_the_dead, false));
    auto foreign = two_turns();
    foreign.back().totals.messages.reset();
    EXPECT_FALSE(is_unbroken(foreign, false));
}

TEST(DynamoMessage, a_question_says_who_rewrote_the_answer_before_it) {
    auto before = two_turns();
    EXPECT_EQ(rewriter_of(before), "");
    EXPECT_EQ(rewriter_of({}), "");
    before.front().message.turn_id = "t3";
    EXPECT_EQ(rewriter_of(before), "t3");
    EXPECT_EQ(rewriter_of({before.front()}), "t3") << "its question is not there to compare";
    auto view = before;
    view.insert(view.begin(), DynamoMessage{.totals = {.messages = 5}, .follows = "t3"});
    EXPECT_TRUE(is_unbroken(view, false));
    view[1].message.turn_id = "t2";
    EXPECT_FALSE(is_unbroken(view, false)) << "the answer as it was";
}

}  // namespace
}  // namespace tertulia::storage
