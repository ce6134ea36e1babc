// What turns cost in DynamoDB, as it counts itself, and how long its requests take on DynamoDB Local:
//   python3 bench/run.py --only dynamodb
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include "tertulia/async/worker.h"
#include "tertulia/base/clock.h"
#include "tertulia/storage/dynamodb_store.h"
#include "tests/support/usual_answer.h"

namespace {

using namespace tertulia;
using async::Task;
using storage::DynamoStore;

constexpr const char* session_id = "s_00000000000000000000000";
constexpr std::string_view question(
    "A question of four hundred bytes, as people ask them: with a beginning that says what they are about, a middle "
    "that explains what they have tried so far and how it went wrong, and an end that says what they would like to "
    "have, which is as a rule rather more than the first sentence let one expect. It goes on like this for a while, "
    "since four hundred bytes are more than one would think.");

[[noreturn]] void give_up(const std::string& what) {
    fmt::print(stderr, "{}\n", what);
    std::exit(1);
}

template <class T>
T checked(base::Result<T> result) {
    if (!result) give_up(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// One turn with `answer_bytes`; what is asked between its beginning and its end.
Task<void> talk(DynamoStore& store, std::string session, std::string turn, std::size_t answer_bytes,
                std::function<Task<void>()> between = {}) {
    const sessions::TurnName name{{"local", session}, turn};
    const auto opened = checked(co_await store.open_turn(
        {.turn = name, .text = std::string(question), .max_messages = 64, .max_bytes = 64 << 10}));
    sessions::TurnStart start{.key = name.key};
    start.message = {.role = chat::Role::user,
                     .content = std::string(question),
                     .timestamp = opened->question_place,
                     .created_at = base::format_timestamp(base::system_clock().wall_us()),
                     .turn_id = turn};
    checked(co_await store.begin_turn(start));
    if (between) co_await between();
    sessions::TurnEnd end{.key = name.key};
    end.message = {.role = chat::Role::assistant,
                   .content = std::string(answer_bytes, 'a'),
                   .timestamp = sessions::answer_place(opened->question_place),
                   .created_at = base::format_timestamp(base::system_clock().wall_us()),
                   .turn_id = turn};
    test::fill_as_usual(end);
    checked(co_await store.end_turn(end));
}

Task<void> measure(std::string_view what, DynamoStore& store, std::function<Task<void>()> turn) {
    const storage::DynamoUse before = co_await store.use();
    const auto begin = std::chrono::steady_clock::now();
    co_await turn();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    const storage::DynamoUse after = co_await store.use();
    fmt::print("{:<44} {:>9} {:>9} {:>9} {:>9.1f}\n", what, after.requests - before.requests,
               after.write_units - before.write_units, after.read_units - before.read_units, ms);
}

Task<void> run(DynamoStore& first, DynamoStore& second) {
    checked(co_await first.create_tables());
    fmt::print("{:<44} {:>9} {:>9} {:>9} {:>9}\n", "a turn (0.4 KB asked, 1.6 KB answered)", "requests", "WRU", "RRU",
               "ms");
    const auto id = [](int i) { return fmt::format("t_00000000000000000000{:02}", i); };
    co_await measure("in a new session", first, [&] { return talk(first, session_id, id(0), 1600); });
    for (int i = 1; i < 10; ++i) co_await talk(first, session_id, id(i), 1600);
    co_await measure("cold, with 18 KB of history", second, [&] { return talk(second, session_id, id(10), 1600); });
    co_await measure("warm", second, [&] { return talk(second, session_id, id(11), 1600); });
    const sessions::IdempotencyRecord key{.key = "key",
                                          .fingerprint = std::string(64, 'f'),
                                          .session_id = session_id,
                                          .turn_id = id(12),
                                          .expires_us = 1LL << 60};
    co_await measure("warm, with an Idempotency-Key", second, [&]() -> Task<void> {
        checked(co_await second.claim_key("local", key, "", 0));
        co_await talk(second, session_id, id(12), 1600);
    });
    const auto checkpoint = [&]() -> Task<void> {
        const auto name = std::make_shared<const sessions::TurnName>(sessions::TurnName{{"local", session_id}, id(13)});
        std::vector<sessions::TurnCheckpoint> pieces;
        pieces.push_back({.turn = name, .data = std::string(800, 'x')});
        checked(co_await second.checkpoint(std::move(pieces)));
    };
    co_await measure("warm, with one checkpoint", second,
                     [&] { return talk(second, session_id, id(13), 1600, checkpoint); });
    const billing::BudgetWindow day{.owner = "local", .from_us = 0, .to_us = 86'400'000'000};
    const auto under_a_budget = [&](std::string turn) -> Task<void> {
        const sessions::TurnName name{{"local", session_id}, turn};
        checked(co_await second.hold_budgets(
            {.turn = name, .nano = 9'000'000, .budgets = {{.window = day, .limit_nano = 1'000'000'000}}}));
        co_await talk(second, session_id, turn, 1600);
        checked(co_await second.settle_budgets(
            {.turn = name, .held_nano = 9'000'000, .spent_nano = 4'000'000, .windows = {day}}));
    };
    co_await under_a_budget(id(14));
    co_await measure("warm, under an owner's budget", second, [&] { return under_a_budget(id(15)); });
    co_await measure("the list of sessions, first", second,
                     [&]() -> Task<void> { checked(co_await second.sessions("local", 50, "")); });
    co_await measure("the list of sessions, again", second,
                     [&]() -> Task<void> { checked(co_await second.sessions("local", 50, "")); });
}

}  // namespace

int main() {
    const char* address = std::getenv("TERTULIA_TEST_DYNAMODB");
    if (!address) give_up("TERTULIA_TEST_DYNAMODB: where is DynamoDB Local?");
    const auto options = storage::dynamo_options({{"AWS_ENDPOINT_URL_DYNAMODB", address},
                                                  {"AWS_REGION", "eu-west-1"},
                                                  {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                                  {"AWS_SECRET_ACCESS_KEY", "example"}});
    if (!options) give_up(options.error().message);
    const telemetry::Log log(telemetry::Level::error, telemetry::Log::Form::readable);
    DynamoStore first(*options, base::system_clock(), base::system_random(), log);
    DynamoStore second(*options, base::system_clock(), base::system_random(), log);
    async::Worker worker([](const std::string& what) { give_up(what); });
    worker.start("bench");
    worker.run_until_done(run(first, second));
    worker.join();
    return 0;
}
