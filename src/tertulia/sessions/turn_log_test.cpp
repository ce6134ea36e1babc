#include "tertulia/sessions/turn_log.h"

#include <gtest/gtest.h>

#include <thread>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/checkpoints.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/sessions/turn_reader.h"
#include "tests/support/turn_world.h"

namespace tertulia::sessions {
namespace {

using Kind = chat::AnswerEvents::Kind;

chat::AnswerEvents step(Kind kind, std::string_view text, std::string_view extra = {}) {
    chat::AnswerEvents steps;
    steps.add(kind, 0, text, extra);
    return steps;
}

std::shared_ptr<const TurnName> some_turn() {
    return std::make_shared<const TurnName>(TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t"});
}

TEST(TurnLog, NumbersItsEventsWithoutGaps) {
    TurnLog log(some_turn());
    log.start({.model = "m"}, "maker");
    log.append(step(Kind::thinking, "hm"));
    log.append(step(Kind::signature, "sig"));  // kept, but no event of ours
    log.append(step(Kind::text, "Hello"));
    log.append(step(Kind::tool_call, "search", "call_1"));
    log.append(step(Kind::tool_arguments, "{}"));
    log.finish({.state = TurnState::completed}, true);

    TurnLog::Place place;
    EventBatch batch;
    log.read(place, batch);
    std::vector<std::pair<EventKind, std::string>> seen;
    for (std::size_t i = 0; i < batch.events.size(); ++i) {
        EXPECT_EQ(batch.events[i].number, i + 1);
        seen.emplace_back(batch.events[i].kind, batch.text(batch.events[i].text));
    }
    EXPECT_EQ(seen, (std::vector<std::pair<EventKind, std::string>>{{EventKind::started, ""},
                                                                    {EventKind::thinking, "hm"},
                                                                    {EventKind::text, "Hello"},
                                                                    {EventKind::tool_call, "search"},
                                                                    {EventKind::tool_arguments, "{}"},
                                                                    {EventKind::usage, ""},
                                                                    {EventKind::ended, ""}}));
    EXPECT_EQ(batch.text(batch.events[3].extra), "call_1");
    log.read(place, batch);
    EXPECT_TRUE(batch.events.empty());
}

// -- of a turn that runs in another process ---------------------------------------------------------------------------

// What a reader has read, as `number'text'`.
std::string read_on(const TurnLog& log, TurnLog::Place& place) {
    std::string seen;
    EventBatch batch;
    for (log.read(place, batch); !batch.events.empty(); log.read(place, batch))
        for (const auto& event : batch.events) {
            seen += std::to_string(event.number) + (event.kind == EventKind::text_replaced ? "=" : "");
            seen += "'" + std::string(batch.text(event.text)) + "' ";
        }
    return seen;
}

TurnRemains take(TurnLog& from, bool whole = false) {
    TurnRemains kept;
    std::uint32_t reserved = 0;
    EXPECT_TRUE(kept.add(from.take_checkpoint(100, whole, reserved).data));
    return kept;
}

TEST(TurnLog, GrowsByWhatIsKeptElsewhere) {
    TurnLog there(some_turn()), here(some_turn());
    here.follow();
    there.start({.model = "p/m", .continues = "t_0"}, "maker");
    there.append(step(Kind::text, "a"));
    TurnLog::Place place;
    EXPECT_TRUE(here.grow(take(there), true));
    EXPECT_EQ(here.started()->model, "p/m");
    EXPECT_EQ(here.started()->continues, "t_0");
    EXPECT_EQ(read_on(here, place), "1'' 2'a' ");
    there.append(step(Kind::signature, "hidden"));
    there.append(step(Kind::text, "b"));
    EXPECT_TRUE(here.grow(take(there), false));
    EXPECT_TRUE(here.grow(take(there), false)) << "nothing new";
    there.append(step(Kind::text, "c"));
    EXPECT_TRUE(here.grow(take(there, true), true)) << "all of it once more";
    EXPECT_EQ(read_on(here, place), "3'b' 4'c' ");
    EXPECT_EQ(here.record().bytes(), there.record().bytes());
    EXPECT_EQ(here.bytes(), there.bytes());
}

TEST(TurnLog, TakesNothingThatDoesNotFit) {
    TurnLog there(some_turn()), other(some_turn()), here(some_turn());
    here.follow();
    there.start({.model = "p/m"}, "maker");
    there.append(step(Kind::text, "abc"));
    EXPECT_TRUE(here.grow(take(there), true));
    other.start({.model = "p/m"}, "maker");
    other.append(step(Kind::text, "xyz"));
    EXPECT_FALSE(here.grow(take(other), true));
    there.append(step(Kind::text, "def"));
    TurnRemains spoilt = take(there);
    spoilt.bytes.pop_back();
    EXPECT_FALSE(here.grow(spoilt, false));
    EXPECT_EQ(here.text(), "abc");
}

TEST(TurnLog, WhatWasShownOfALostTurnButNotKeptIsTakenBack) {
    TurnLog there(some_turn()), here(some_turn());
    here.follow();
    there.start({.model = "p/m"}, "maker");
    there.append(step(Kind::text, "kept "));
    const TurnRemains kept = take(there);
    there.append(step(Kind::text, "too late"));
    EXPECT_TRUE(here.grow(kept, true));
    EXPECT_TRUE(here.grow(take(there), false));
    StoredMessage answer{.role = chat::Role::assistant, .turn_id = "t"};
    fill_interrupted(answer, &kept, 1, nullptr);
    TurnLog::Place place;
    EXPECT_EQ(read_on(here, place), "1'' 2'kept ' 3'too late' ");
    here.fill(answer);
    EXPECT_EQ(read_on(here, place), "10001='kept ' 10002'' ");
    EXPECT_EQ(here.text(), "kept ");
}

TEST(TurnLog, ACheckpointNamesTheModelThatAnswersNow) {
    TurnLog log(some_turn());
    log.start({.model = "p/m"}, "maker");
    TurnRemains remains;
    std::uint32_t reserved = 0;
    EXPECT_TRUE(remains.add(log.take_checkpoint(5, false, reserved).data));
    EXPECT_EQ(remains.model, "p/m");
    log.change_model("q/n");
    EXPECT_TRUE(remains.add(log.take_checkpoint(5, false, reserved).data));
    EXPECT_EQ(remains.model, "q/n");
    TurnRemains whole;
    EXPECT_TRUE(whole.add(log.take_checkpoint(5, true, reserved).data));
    EXPECT_EQ(whole.model, "q/n");
}

TEST(TurnLog, GivesAReaderAtMostAboutWhatItAsksFor) {
    TurnLog log(some_turn());
    for (int i = 0; i < 100; ++i) log.append(step(Kind::text, std::string(100, 'x')));
    TurnLog::Place place;
    EventBatch batch;
    log.read(place, batch, 1000);
    EXPECT_EQ(batch.events.size(), 10u);
    log.read(place, batch, 1000);
    EXPECT_EQ(batch.events.front().number, 11u);
}

// Reads to the end; `right` counts those that got every number and all of the text.
async::Task<void> read_all(std::shared_ptr<TurnLog> from, async::Executor executor, const std::string& wanted,
                           std::atomic<int>& right) {
    TurnReader reader(from, executor);
    EventBatch batch;
    std::string text;
    std::uint32_t last = 0;
    bool in_order = true;
    while (!batch.has_end()) {
        if (!co_await reader.next(batch, base::Deadline::after(std::chrono::seconds(60)))) co_return;
        for (const auto& event : batch.events) {
            in_order = in_order && event.number == last + 1;
            last = event.number;
            text += batch.text(event.text);
        }
    }
    if (in_order && text == wanted) ++right;
}

// One writer and many readers on several workers; TSan looks on in the tsan preset.
TEST(TurnLog, ManyReadersOnSeveralWorkersSeeTheSame) {
    constexpr int readers_per_worker = 8, steps = 2000;
    const auto log = std::make_shared<TurnLog>(some_turn());
    std::string expected;
    for (int i = 0; i < steps; ++i) expected += std::to_string(i) + " ";

    std::atomic<int> right = 0;
    std::vector<std::unique_ptr<async::Worker>> workers;
    for (int w = 0; w < 3; ++w) {
        auto worker = std::make_unique<async::Worker>([](const std::string& what) { ADD_FAILURE() << what; });
        for (int r = 0; r < readers_per_worker; ++r)
            worker->tasks().spawn(read_all(log, worker->executor(), expected, right));
        worker->start("reader");
        workers.push_back(std::move(worker));
    }
    log->start({}, {});
    for (int i = 0; i < steps; ++i) log->append(step(Kind::text, std::to_string(i) + " "));
    log->finish({}, true);
    for (auto& worker : workers) worker->join();
    EXPECT_EQ(right, 3 * readers_per_worker);
}

// The same, while checkpoints are taken on a fourth worker and readers come and go all the time.
TEST(TurnLog, ReadersAndCheckpointsOnOtherThreadsDoNotDisturbTheWriter) {
    constexpr int steps = 3000;
    const auto on_bug = [](const std::string& what) { ADD_FAILURE() << what; };
    const auto log = std::make_shared<TurnLog>(some_turn(), std::make_shared<std::atomic<std::int64_t>>(0));
    std::string expected;
    for (int i = 0; i < steps; ++i) expected += std::to_string(i) + " ";

    async::Worker saver(on_bug), writer(on_bug);
    test::Gate gate(saver.executor());
    gate.is_open = true;
    test::GatedStore store(gate);
    const telemetry::Log quiet(telemetry::Level::off, telemetry::Log::Form::json);
    telemetry::Metrics metrics;
    Checkpoints checkpoints({.store = store, .clock = base::system_clock(), .log = quiet, .metrics = metrics},
                            {.interval = base::Milliseconds(1), .bytes = 64});
    saver.tasks().spawn(checkpoints.run(saver.executor()));
    saver.start("saver");
    writer.start("writer");

    std::atomic<int> right = 0;
    std::atomic<bool> done = false;
    std::vector<std::unique_ptr<async::Worker>> workers;
    for (int w = 0; w < 2; ++w) {
        auto worker = std::make_unique<async::Worker>(on_bug);
        for (int r = 0; r < 4; ++r) worker->tasks().spawn(read_all(log, worker->executor(), expected, right));
        worker->start("reader");
        workers.push_back(std::move(worker));
    }
    std::thread visitor([&] {
        while (!done) {
            TurnReader reader(log, writer.executor(), log->last_number());
            EXPECT_TRUE(expected.starts_with(log->text()));
            if (log->result()) break;
        }
    });
    writer.run_until_done([](TurnLog& to, std::shared_ptr<TurnLog> shared, Checkpoints& saved,
                             async::Executor executor) -> async::Task<void> {
        to.start({}, "maker");
        for (int i = 0; i < steps; ++i) {
            const std::uint32_t reserved = to.reserved();
            to.append(step(Kind::text, std::to_string(i) + " "));
            saved.changed(shared);
            // Now and then until it is saved: the writer is much faster.
            while (i % 500 == 499 && to.reserved() == reserved) std::this_thread::yield();
        }
        co_await saved.leave(shared, executor);
        TurnResult result;
        result.message = shared->text();
        to.finish(std::move(result), true);
    }(*log, log, checkpoints, writer.executor()));
    done = true;
    visitor.join();
    checkpoints.stop();
    saver.join();
    writer.join();
    for (auto& worker : workers) worker->join();
    EXPECT_EQ(right, 8);

    TurnRemains remains;
    for (const auto& pieces : store.checkpoints)
        for (const TurnCheckpoint& piece : pieces) EXPECT_TRUE(remains.add(piece.data));
    EXPECT_TRUE(expected.starts_with(remains.bytes));
    EXPECT_TRUE(log->record().bytes().starts_with(remains.record));
    EXPECT_GT(remains.bytes.size(), 0u);
}

}  // namespace
}  // namespace tertulia::sessions
