// What idempotency keys stand for in every store.
#include <cstdint>
#include <string>

#include "tests/support/store_conformance.h"

namespace tertulia::tests {

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

}  // namespace tertulia::tests
