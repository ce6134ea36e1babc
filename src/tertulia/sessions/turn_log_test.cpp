#include "tertulia/sessions/turn_log.h"

#include <gtest/gtest.h>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/turn_reader.h"

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
        for (int r = 0; r < readers_per_worker; ++r) {
            worker->tasks().spawn([](std::shared_ptr<TurnLog> from, async::Executor executor, const std::string& wanted,
                                     std::atomic<int>& count) -> async::Task<void> {
                TurnReader reader(from, executor);
                EventBatch batch;
                std::string text;
                std::uint32_t last = 0;
                bool in_order = true;
                while (true) {
                    if (!co_await reader.next(batch, base::Deadline::after(std::chrono::seconds(60)))) co_return;
                    for (const auto& event : batch.events) {
                        in_order = in_order && event.number == last + 1;
                        last = event.number;
                        text += batch.text(event.text);
                    }
                    if (batch.has_end()) break;
                }
                if (in_order && text == wanted) ++count;
            }(log, worker->executor(), expected, right));
        }
        worker->start("reader");
        workers.push_back(std::move(worker));
    }
    log->start({}, {});
    for (int i = 0; i < steps; ++i) log->append(step(Kind::text, std::to_string(i) + " "));
    log->finish({}, true);
    for (auto& worker : workers) worker->join();
    EXPECT_EQ(right, 3 * readers_per_worker);
}

}  // namespace
}  // namespace tertulia::sessions
