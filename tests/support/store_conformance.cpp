#include "tests/support/store_conformance.h"

#include <gmock/gmock.h>

#include <future>
#include <vector>

#include "tertulia/async/spawn.h"
#include "tertulia/base/clock.h"

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
    end.message.usage =
        chat::Usage{.input = 1, .cache_read = 2, .cache_write = 3, .output = 4, .reasoning = 5, .estimated = true};
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
