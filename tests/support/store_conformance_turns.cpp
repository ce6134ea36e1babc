// How turns begin and end in every store.
#include <gmock/gmock.h>

#include <array>
#include <future>
#include <string>
#include <vector>

#include "tertulia/async/spawn.h"
#include "tertulia/base/clock.h"
#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using base::Errc;
using sessions::StoredMessage;
using sessions::TurnState;
using testing::ElementsAre;
using testing::IsEmpty;

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
            EXPECT_TRUE(began) << began.error().message;
            EXPECT_TRUE(ended) << ended.error().message;
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
