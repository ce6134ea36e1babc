// Turns that run in one process and are read in others, as they come.
#include "tertulia/sessions/turn_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/shared_world.h"

namespace tertulia::sessions {
namespace {

using test::FakeProvider;
using test::soon;
using testing::ElementsAre;
using Kind = chat::AnswerEvents::Kind;

struct Seen {
    std::uint32_t number;
    EventKind kind;
    std::uint32_t block;
    std::string text, extra;
    bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& event, std::ostream* out) {
    *out << event.number << ":" << static_cast<int>(event.kind) << " '" << event.text << "'";
}
using Events = std::vector<Seen>;

std::string text_of(const Events& events, std::string text = {}) {
    for (const Seen& event : events) {
        if (event.kind == EventKind::text_replaced) text.clear();
        if (event.kind == EventKind::text || event.kind == EventKind::text_replaced) text += event.text;
    }
    return text;
}

// One who reads, and what that was.
struct Follower {
    TurnReader reader;
    Events events = {};

    std::uint32_t last() const { return events.empty() ? 0 : events.back().number; }
    // Reads until it has come to event `number`, or has all of them.
    async::Task<void> read_to(std::uint32_t number) {
        EventBatch batch;
        while (reader.place() < number) {
            EXPECT_TRUE(co_await reader.next(batch, soon()));
            if (batch.events.empty()) break;
            for (const auto& event : batch.events)
                events.push_back({event.number, event.kind, event.block, std::string(batch.text(event.text)),
                                  std::string(batch.text(event.extra))});
        }
    }
    async::Task<void> read_all() { return read_to(UINT32_MAX); }
};

// Nobody's turns are saved but those that are watched, at once.
constexpr Checkpoints::Settings only_watched{
    .interval = std::chrono::hours(1), .bytes = 1 << 20, .watched = base::Milliseconds(1)};

class FollowedTurn : public testing::Test, protected test::SharedWorld {
  protected:
    FollowedTurn() : SharedWorld(3, {}, only_watched) {}

    static TurnRequest message(const std::string& text) { return {.session_id = "s", .content = {chat::Text{text}}}; }

    // All kinds of events that a provider makes.
    static std::vector<FakeProvider::Steps> reads() {
        std::vector<FakeProvider::Steps> reads(6);
        reads[0].add(Kind::thinking, 0, "Hm. ");
        reads[1].add(Kind::thinking, 0, "Yes.");
        reads[1].add(Kind::signature, 0, "sig");
        reads[2].add(Kind::text, 1, "One ");
        reads[3].add(Kind::text, 1, "two.");
        reads[4].add(Kind::tool_call, 2, "look_up", "call_1");
        reads[4].add(Kind::tool_arguments, 2, "{\"q\":");
        reads[5].add(Kind::tool_arguments, 2, "1}");
        reads[5].finish = chat::StopReason::tool_use;
        return reads;
    }
    // A turn whose model waits for the gate before its read number `at`.
    TurnName begin(std::size_t at, std::shared_ptr<async::Waiter> held) {
        (*this)[0].provider->script.push_back({.reads = reads(), .gate = std::move(held), .gate_at = at});
        auto begun = (*this)[0].service.begin(message("m"));
        EXPECT_TRUE(begun.has_value());
        return begun->reader.name();
    }
    async::Task<Follower> follow(std::size_t process, TurnName name, std::uint32_t after = 0) {
        auto reader = co_await (*this)[process].service.read(std::move(name), after);
        EXPECT_TRUE(reader.has_value());
        co_return Follower{.reader = *std::move(reader)};
    }
    // The number of the last event that the turn has shown where it runs; once it has got to its gate.
    async::Task<std::uint32_t> shown(TurnName name, std::uint32_t at_least) {
        while ((*this)[0].logs.find(name)->last_number() < at_least) co_await a_moment();
        co_return (*this)[0].logs.find(name)->last_number();
    }
    const SessionKey key{"local", "s"};
};

// How many events there are when the gate before a read is reached: the start, and those of the reads before.
constexpr std::uint32_t events_before[]{1, 2, 3, 4, 5, 7};

TEST_F(FollowedTurn, IsHeardUpToEveryEventAndGoneOnWithFromEveryOne) {
    run([this]() -> async::Task<void> {
        for (std::size_t at = 0; at < std::size(events_before); ++at) {
            const auto held = gate();
            const TurnName name = begin(at, held);
            const std::uint32_t so_far = co_await shown(name, events_before[at]);
            EXPECT_EQ(so_far, events_before[at]);
            std::vector<Follower> followers;
            for (std::uint32_t after = 0; after <= so_far; ++after)
                followers.push_back(co_await follow(1, name, after));
            for (Follower& each : followers) co_await each.read_to(so_far);
            EXPECT_EQ((*this)[0].logs.find(name)->result(), nullptr) << "it still runs";
            // Somebody comes from the process that runs it, others go there.
            for (std::uint32_t after = 0; after <= so_far; ++after)
                followers.push_back(co_await follow(2, name, after));
            held->wake();
            Follower here = co_await follow(0, name);
            co_await here.read_all();
            EXPECT_EQ(here.events.back().kind, EventKind::ended);
            for (Follower& each : followers) {
                co_await each.read_all();
                const auto first = static_cast<std::size_t>(here.events.size() - each.events.size());
                EXPECT_EQ(each.events,
                          Events(here.events.begin() + static_cast<std::ptrdiff_t>(first), here.events.end()))
                    << "at " << at;
                EXPECT_EQ(each.reader.started()->model, "fake/m");
                EXPECT_EQ(each.reader.result()->message, "One two.");
            }
            for (std::uint32_t after = 0; after <= so_far; ++after) {
                EXPECT_EQ(followers[after].events.size(), here.events.size() - after);
                EXPECT_EQ(followers[so_far + 1 + after].events.size(), here.events.size() - after);
            }
            EXPECT_TRUE(co_await (*this)[1].service.remove(key, soon()));
        }
    });
}

TEST_F(FollowedTurn, NothingIsSavedOfOneThatNobodyElsewhereReads) {
    run([this]() -> async::Task<void> {
        const auto held = gate();
        const TurnName name = begin(4, held);
        SessionFeed own = (*this)[0].service.feed(key);
        EXPECT_TRUE(co_await own.from_now());
        co_await shown(name, 5);
        co_await a_moment();
        held->wake();
        EventBatch batch;
        do EXPECT_TRUE(co_await own.next(batch, soon()));
        while (!batch.has_end());
        EXPECT_EQ((*this)[0].store.calls["checkpoint"], 0);
    });
}

TEST_F(FollowedTurn, WhoOnlyAsksHowItStandsFollowsNothing) {
    run([this]() -> async::Task<void> {
        const auto held = gate();
        const TurnName name = begin(4, held);
        co_await shown(name, 5);
        for (int i = 0; i < 3; ++i) {
            EXPECT_FALSE((co_await (*this)[1].service.read(name))->result());
            co_await a_moment();
        }
        EXPECT_EQ((*this)[1].store.calls["watch"], 0);
        EXPECT_EQ((*this)[1].store.calls["news"], 0);
        held->wake();
        Follower there = co_await follow(0, name);
        co_await there.read_all();
        EXPECT_EQ((*this)[0].store.calls["checkpoint"], 0);
    });
}

TEST_F(FollowedTurn, AFeedThatWaitsElsewhereHearsItFromItsStart) {
    run([this]() -> async::Task<void> {
        SessionFeed feed = (*this)[1].service.feed(key);
        EXPECT_TRUE(co_await feed.from_now());
        EventBatch batch;
        EXPECT_FALSE((co_await feed.next(batch, base::Deadline::after(base::Milliseconds(10)))).value());
        const auto held = gate();
        const TurnName name = begin(4, held);
        std::vector<std::uint32_t> numbers;
        const auto read_to = [&](std::uint32_t number) -> async::Task<void> {
            while (numbers.empty() || numbers.back() < number) {
                EXPECT_TRUE((co_await feed.next(batch, soon())).value());
                EXPECT_EQ(feed.reader().name().turn_id, name.turn_id);
                for (const auto& event : batch.events) numbers.push_back(event.number);
            }
        };
        co_await read_to(5);
        EXPECT_EQ((*this)[0].logs.find(name)->result(), nullptr) << "it still runs";
        held->wake();
        co_await read_to(10);
        EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    });
}

TEST_F(FollowedTurn, ATurnThatBeginsAndEndsRightAfterAFeedBeginsIsNotMissed) {
    run([this]() -> async::Task<void> {
        auto before = (*this)[0].service.begin(message("before"));
        co_await before->reader.wait_end(soon());
        SessionFeed feed = (*this)[1].service.feed(key);
        EXPECT_TRUE(co_await feed.from_now());
        auto begun = (*this)[0].service.begin(message("m"));
        co_await begun->reader.wait_end(soon());
        EventBatch batch;
        EXPECT_TRUE((co_await feed.next(batch, soon())).value());
        EXPECT_EQ(feed.reader().name().turn_id, begun->reader.name().turn_id);
        EXPECT_TRUE(batch.has_end());
    });
}

TEST_F(FollowedTurn, AFeedOfASessionThatIsNotThereYetMissesNoneOfItsTurns) {
    run([this]() -> async::Task<void> {
        SessionFeed feed = (*this)[1].service.feed(key);
        EXPECT_TRUE(co_await feed.from_now());
        for (const char* text : {"first", "second"}) {
            auto begun = (*this)[0].service.begin(message(text));
            const auto result = co_await begun->reader.wait_end(soon());
            EXPECT_EQ(result->state, TurnState::completed);
        }
        EventBatch batch;
        for (const char* text : {"1 messages, the last: first", "3 messages, the last: second"}) {
            EXPECT_TRUE((co_await feed.next(batch, soon())).value());
            EXPECT_TRUE(batch.has_end());
            EXPECT_EQ(feed.reader().result()->message, text);
        }
    });
}

TEST_F(FollowedTurn, WhatWasSeenElsewhereOfALostTurnIsWhatIsStoredOfIt) {
    run([this]() -> async::Task<void> {
        const TurnName name = begin(4, gate());
        Follower follower = co_await follow(1, name);
        co_await follower.read_to(5);
        // Somebody has seen more of it where it ran.
        Follower ahead = co_await follow(2, name, 7);
        co_await a_moment();
        (*this)[0].store.freeze();
        table.clock.advance(test::SharedTable::lease);
        co_await follower.read_all();
        co_await ahead.read_all();
        EXPECT_EQ(follower.reader.result()->state, TurnState::interrupted);
        EXPECT_EQ(follower.reader.result()->message, "One two.");
        EXPECT_EQ(text_of(follower.events), "One two.");
        EXPECT_EQ(std::ranges::count(follower.events, EventKind::text_replaced, &Seen::kind), 0);
        EXPECT_GT(follower.last(), 10'000u) << "beyond all that anybody saw";
        EXPECT_EQ(text_of(ahead.events, "One two. And more"), "One two.");
        EXPECT_EQ(ahead.events.front().kind, EventKind::text_replaced);
        EXPECT_EQ(ahead.last(), follower.last());
    });
}

TEST_F(FollowedTurn, AContinuationSaysWhatItContinues) {
    run([this]() -> async::Task<void> {
        const TurnName name = begin(3, gate());
        co_await shown(name, 4);
        (*this)[0].registry.stop_all(TurnState::interrupted);
        Follower first = co_await follow(0, name);
        co_await first.read_all();
        const auto held = gate();
        (*this)[0].provider->script.push_back(
            {.reads = {FakeProvider::text("and "), FakeProvider::text("more.", chat::StopReason::end_turn)},
             .gate = held,
             .gate_at = 1});
        auto begun = co_await (*this)[0].service.continue_turn(name, {});
        EXPECT_TRUE(begun.has_value());
        Follower second = co_await follow(1, begun->reader.name());
        co_await second.read_to(3);
        EXPECT_EQ(second.reader.started()->continues, name.turn_id);
        EXPECT_EQ(text_of(second.events), "One and ");
        held->wake();
        co_await second.read_all();
        EXPECT_EQ(text_of(second.events), "One and more.");
        EXPECT_EQ(second.reader.result()->continues, name.turn_id);
    });
}

TEST_F(FollowedTurn, OneThatIsHandedOverIsFollowedToItsEnd) {
    run([this]() -> async::Task<void> {
        const TurnName name = begin(3, gate());
        Follower follower = co_await follow(1, name);
        co_await follower.read_to(4);
        EXPECT_TRUE(co_await (*this)[0].service.hand_over(name, soon()));
        co_await a_moment();
        const auto held = gate();
        (*this)[2].provider->script.push_back(
            {.reads = {FakeProvider::text("and "), FakeProvider::text("more.", chat::StopReason::end_turn)},
             .gate = held,
             .gate_at = 1});
        auto resumed = (*this)[2].service.resume(name, {});
        EXPECT_TRUE(resumed.has_value());
        co_await follower.read_to(6);
        EXPECT_EQ(text_of(follower.events), "One and ") << "while it runs";
        EXPECT_FALSE(resumed->reader.result());
        held->wake();
        co_await follower.read_all();
        EXPECT_EQ(text_of(follower.events), "One and more.");
        Follower there{.reader = std::move(resumed->reader)};
        co_await there.read_all();
        EXPECT_EQ(follower.events, there.events);
    });
}

}  // namespace
}  // namespace tertulia::sessions
