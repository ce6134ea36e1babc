// How an answer is rewritten in every store.
#include <gmock/gmock.h>

#include <string>
#include <tuple>
#include <vector>

#include "tertulia/sessions/event_record.h"
#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using base::Errc;
using sessions::SessionKey;
using sessions::StoredMessage;
using sessions::TurnState;
using testing::ElementsAre;

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

}  // namespace tertulia::tests
