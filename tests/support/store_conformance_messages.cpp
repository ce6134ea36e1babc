// What every store keeps of messages, and how it gives them back.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using sessions::MessageQuery;
using sessions::StoredMessage;
using sessions::TurnState;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace tertulia::tests
