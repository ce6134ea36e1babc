// Lists of sessions, their owners and their deletion, in every store.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using base::Errc;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace tertulia::tests
