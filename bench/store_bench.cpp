// The SQLite store alone beside the least that durable turns can cost: a log that is appended to and synced in groups.
// A turn is a user message of 500 bytes, durable before the answer's 1.5 KB are appended, durable too: two commits one
// after the other in the store; the log writes both in one record, which makes it a strict limit.
// Then checkpoints of many running turns, half of them in each call (as at 250 ms and two events a second).

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net.h"
#include "tertulia/async/worker.h"
#include "tertulia/base/clock.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/storage/open_store.h"

namespace {

using namespace tertulia;
namespace fs = std::filesystem;

struct Options {
    fs::path folder = ".";
    std::size_t in_flight = 16;
    std::size_t rounds = 5;
    double seconds = 1.5;
    std::size_t running = 9000;  // turns that checkpoints are measured with
};

struct Outcome {
    double per_second = 0;
    double p50_us = 0;
    double p99_us = 0;
};

Outcome outcome_of(std::vector<std::int64_t> latencies_ns, double seconds) {
    std::ranges::sort(latencies_ns);
    const auto at = [&](double q) {
        if (latencies_ns.empty()) return 0.0;
        return static_cast<double>(
                   latencies_ns[static_cast<std::size_t>(q * static_cast<double>(latencies_ns.size() - 1))]) /
               1e3;
    };
    return {static_cast<double>(latencies_ns.size()) / seconds, at(0.5), at(0.99)};
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// One thread appends what has queued up and syncs it; the calling thread keeps `in_flight` turns under way.
class RawLog {
  public:
    explicit RawLog(const fs::path& file)
        : file_(::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644)) {
        if (!file_.open()) bench::fail("open " + file.string());
    }

    Outcome run(std::size_t in_flight, double seconds) {
        std::thread writer([&] { write_groups(); });
        const std::int64_t start = bench::now_ns();
        const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
        std::vector<std::int64_t> latencies, begun;
        std::unique_lock lock(mutex_);
        queued_.assign(in_flight, start);
        changed_.notify_all();
        for (std::int64_t now = start; now < end;) {
            changed_.wait(lock, [&] { return !done_.empty(); });
            begun.swap(done_);
            now = bench::now_ns();
            for (const std::int64_t at : begun) latencies.push_back(now - at);
            queued_.insert(queued_.end(), begun.size(), now);
            begun.clear();
            changed_.notify_all();
        }
        stopping_ = true;
        changed_.notify_all();
        lock.unlock();
        writer.join();
        return outcome_of(std::move(latencies), seconds);
    }

  private:
    void write_groups() {
        const std::string record(2000, 'x');
        std::string bytes;
        std::vector<std::int64_t> group;
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return stopping_ || !queued_.empty(); });
            if (stopping_) return;
            group.swap(queued_);
            lock.unlock();
            bytes.clear();
            for (std::size_t i = 0; i < group.size(); ++i) bytes += record;
            if (::write(file_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
                bench::fail("write");
            if (::fdatasync(file_.get()) != 0) bench::fail("fdatasync");
            lock.lock();
            done_.insert(done_.end(), group.begin(), group.end());
            group.clear();
            changed_.notify_all();
        }
    }

    bench::Fd file_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::int64_t> queued_, done_;  // when each of these turns began
    bool stopping_ = false;
};

sessions::StoredMessage message(chat::Role role, std::size_t size, const std::string& turn, std::int64_t wall_us,
                                std::string_view last) {
    sessions::StoredMessage message;
    message.role = role;
    message.content.assign(size, 'x');
    message.timestamp = base::next_timestamp(last, wall_us);
    message.created_at = base::format_timestamp(wall_us);
    message.turn_id = turn;
    if (role == chat::Role::assistant) {
        message.model = "bench/model";
        message.stop_reason = chat::StopReason::end_turn;
        message.usage = chat::Usage{.input = 120, .output = 150};
        for (int event = 0; event < 150; ++event) message.events += "\x02\x0a";
        message.outcome = {.conversation_length = 20, .messages_sent = 20, .estimated_tokens = 120};
    }
    return message;
}

[[noreturn]] void give_up(const base::Error& error) {
    errno = 0;  // the reason is in the message
    bench::fail("store_bench: " + error.message);
}

/// One turn after the other until `end`, ten to a session.
async::Task<void> run_turns(sessions::SessionStore& store, std::string name, std::int64_t end,
                            std::vector<std::int64_t>& latencies) {
    const base::Clock& clock = base::system_clock();
    std::string last;
    for (std::size_t number = 0; bench::now_ns() < end; ++number) {
        const sessions::SessionKey key{"local", name + "-" + std::to_string(number / 10)};
        if (number % 10 == 0) last.clear();
        const std::string turn = base::format_timestamp(clock.wall_us()) + name;  // grows with time, as real ones do
        const std::int64_t start = bench::now_ns();
        sessions::TurnStart begin;
        begin.key = key;
        begin.message = message(chat::Role::user, 500, turn, clock.wall_us(), last);
        last = begin.message.timestamp;
        if (const auto result = co_await store.begin_turn(std::move(begin)); !result) give_up(result.error());
        sessions::TurnEnd finish{.key = key,
                                 .message = message(chat::Role::assistant, 1500, turn, clock.wall_us(), last)};
        last = finish.message.timestamp;
        if (const auto result = co_await store.end_turn(std::move(finish)); !result) give_up(result.error());
        latencies.push_back(bench::now_ns() - start);
    }
}

Outcome run_store(sessions::SessionStore& store, const Options& options, std::size_t round) {
    std::vector<std::int64_t> latencies;
    async::Worker worker([](const std::string& what) { bench::fail(what); });
    worker.start("bench");
    const std::int64_t end = bench::now_ns() + static_cast<std::int64_t>(options.seconds * 1e9);
    const auto all = [&]() -> async::Task<void> {
        for (std::size_t i = 0; i < options.in_flight; ++i) {
            const std::string name = "r" + std::to_string(round) + "-" + std::to_string(i);
            worker.tasks().spawn(run_turns(store, name, end, latencies));
        }
        co_await worker.tasks().join(base::Deadline::never());
    };
    worker.run_until_done(all());
    worker.join();
    return outcome_of(std::move(latencies), options.seconds);
}

/// What checkpoint() costs: pieces a second with one call after the other, and all threads' CPU time for each.
struct CheckpointCost {
    double per_second = 0;
    double cpu_us = 0;
    double call_us = 0;
};

std::int64_t cpu_ns(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

/// Every turn's 40th piece makes its earlier ones superfluous, as if it had ended and another one had begun: the log
/// has a steady size.
async::Task<void> run_checkpoints(sessions::SessionStore& store, std::size_t running, double seconds,
                                  CheckpointCost& cost) {
    std::vector<std::shared_ptr<const sessions::TurnName>> turns;
    for (std::size_t i = 0; i < running; ++i) {
        sessions::TurnStart begin;
        begin.key = {"local", "running-" + std::to_string(i)};
        begin.message = message(chat::Role::user, 500, "turn-of-26-characters-" + std::to_string(i), 1, "");
        turns.push_back(std::make_shared<const sessions::TurnName>(
            sessions::TurnName{.key = begin.key, .turn_id = begin.message.turn_id}));
        if (const auto result = co_await store.begin_turn(std::move(begin)); !result) give_up(result.error());
    }
    const std::string text(12, 'x'), record = "\x02\x0c";
    std::int64_t in_calls = 0, building = 0;
    std::size_t pieces_done = 0, calls = 0;
    const std::int64_t cpu_before = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), start = bench::now_ns();
    for (; bench::now_ns() < start + static_cast<std::int64_t>(seconds * 1e9); ++calls) {
        const std::int64_t building_from = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        std::vector<sessions::TurnCheckpoint> pieces;
        pieces.reserve(running / 2 + 1);
        for (std::size_t i = calls % 2; i < running; i += 2)
            pieces.push_back({.turn = turns[i],
                              .data = sessions::TurnRemains::piece("", "", 20'000, record, text),
                              .is_whole = (i / 2 + calls / 2) % 40 == 0});
        pieces_done += pieces.size();
        building += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - building_from;
        const std::int64_t call_from = bench::now_ns();
        if (const auto result = co_await store.checkpoint(std::move(pieces)); !result) give_up(result.error());
        in_calls += bench::now_ns() - call_from;
    }
    const std::int64_t cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_before - building;
    const auto count = static_cast<double>(pieces_done);
    cost = {.per_second = count / static_cast<double>(in_calls) * 1e9,
            .cpu_us = static_cast<double>(cpu) / count / 1e3,
            .call_us = static_cast<double>(in_calls) / static_cast<double>(calls) / 1e3};
    for (const auto& turn : turns)
        if (const auto result = co_await store.remove(turn->key); !result) give_up(result.error());
}

CheckpointCost measure_checkpoints(sessions::SessionStore& store, const Options& options) {
    CheckpointCost cost;
    async::Worker worker([](const std::string& what) { bench::fail(what); });
    worker.start("bench");
    worker.run_until_done(run_checkpoints(store, options.running, options.seconds, cost));
    worker.join();
    return cost;
}

void print(const char* name, const std::vector<Outcome>& rounds) {
    const auto median_of = [&](double Outcome::* member) {
        std::vector<double> values;
        for (const auto& round : rounds) values.push_back(round.*member);
        return median(std::move(values));
    };
    std::printf("\"%s\":{\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}", name, median_of(&Outcome::per_second),
                median_of(&Outcome::p50_us), median_of(&Outcome::p99_us));
}

Options parse_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i], value = argv[i + 1];
        if (name == "--folder")
            options.folder = value;
        else if (name == "--in-flight")
            options.in_flight = bench::parse_number<std::size_t>(value, name);
        else if (name == "--rounds")
            options.rounds = bench::parse_number<std::size_t>(value, name);
        else if (name == "--seconds")
            options.seconds = bench::parse_number<double>(value, name);
        else if (name == "--running")
            options.running = bench::parse_number<std::size_t>(value, name);
        else
            argc = 0;
    }
    if (argc % 2 == 0) {
        std::fputs("usage: store_bench [--folder DIR] [--in-flight N] [--rounds N] [--seconds S] [--running N]\n",
                   stderr);
        std::exit(2);
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse_options(argc, argv);
    const fs::path log_file = options.folder / "store_bench.log";
    const fs::path folder = options.folder / "store_bench";
    fs::remove_all(folder);
    fs::create_directories(folder);
    std::vector<Outcome> log, store;
    CheckpointCost checkpoints;
    {
        const telemetry::Log errors(telemetry::Level::error, telemetry::Log::Form::readable);
        const auto sqlite = storage::open_store("sqlite:" + (folder / "bench.db").string(), errors);
        if (!sqlite) give_up(sqlite.error());
        for (std::size_t round = 0; round < options.rounds; ++round) {
            log.push_back(RawLog(log_file).run(options.in_flight, options.seconds));
            store.push_back(run_store(**sqlite, options, round));
        }
        if (options.running > 0) checkpoints = measure_checkpoints(**sqlite, options);
    }
    fs::remove(log_file);
    fs::remove_all(folder);
    std::vector<double> ratios;
    for (std::size_t i = 0; i < log.size(); ++i) ratios.push_back(store[i].per_second / log[i].per_second);
    std::printf("{\"ratio\":%.4f,", median(std::move(ratios)));
    print("log", log);
    std::printf(",");
    print("sqlite", store);
    std::printf(",\"checkpoint\":{\"pieces_per_second\":%.0f,\"cpu_us_per_piece\":%.3f,\"call_us\":%.0f}}\n",
                checkpoints.per_second, checkpoints.cpu_us, checkpoints.call_us);
}
