// A session service whose every wait for a store or a provider is ended by the test, on an event loop that it drives.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/async/spawn.h"
#include "tertulia/async/task_group.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/storage/memory_store.h"
#include "tests/support/manual_clock.h"

namespace tertulia::test {

/// What a store or a provider has been asked and has not answered.
struct PendingCall {
    std::string what;
    /// The ways in which it can end.
    std::vector<std::string> outcomes;
    std::shared_ptr<async::Waiter> waiter;
    std::optional<std::size_t> outcome;
};

/// Whoever is asked waits here for the test to say how it goes. One per worker.
class Gate {
  public:
    explicit Gate(async::Executor executor) : executor_(executor) {}

    /// The chosen outcome's name; empty: `stop` was requested first.
    async::Task<std::string> decide(std::string what, std::vector<std::string> outcomes, std::stop_token stop = {});

    /// For the test: what waits, and its end.
    const std::vector<std::shared_ptr<PendingCall>>& pending() const { return pending_; }
    void end(std::size_t call, std::size_t outcome);
    /// While it stands open everything ends at once, with the first of its outcomes that is among `wishes` (which is
    /// used up then), else with the first that there is.
    bool is_open = false;
    std::deque<std::string> wishes;

  private:
    async::Executor executor_;
    std::vector<std::shared_ptr<PendingCall>> pending_;
};

/// A memory store behind a gate, that remembers what it was told. One per worker.
class GatedStore final : public sessions::SessionStore {
  public:
    explicit GatedStore(Gate& gate) : gate_(gate) {}

    struct Told {
        bool is_begun = false;
        bool end_returned = false;
        bool end_is_kept = false;
        bool is_handed = false;
        /// Another process has taken its session over.
        bool is_lost = false;
        /// The end was asked for while a checkpoint of the turn was under way.
        bool end_met_checkpoint = false;
        sessions::TurnState state = sessions::TurnState::running;
        std::string content;
    };
    std::map<std::string, Told> told;  // by turn
    /// The pieces of all checkpoints, write by write.
    std::vector<std::vector<sessions::TurnCheckpoint>> checkpoints;
    storage::MemoryStore memory;
    /// Are reads at the gate as well?
    bool gates_reads = true;
    /// May it fail?
    bool fails = true;
    /// Do several processes share it? Then turns are opened: those that were, and have not ended, are `claims`.
    bool shared = false;
    std::map<std::string, std::function<void(sessions::TurnState)>> claims;
    /// Another process takes the session over.
    void lose_claims();

    bool is_shared() const override { return shared; }
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open_turn(
        sessions::TurnOpening opening) override;
    async::Task<base::Result<void>> abandon_turn(sessions::TurnName turn) override;
    async::Task<base::Result<void>> hand_over(sessions::TurnName turn) override;

    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) override;
    async::Task<base::Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                                          std::int64_t max_messages,
                                                                          std::int64_t max_bytes) override {
        return memory.older(std::move(key), std::move(before), max_messages, max_bytes);
    }
    async::Task<base::Result<std::int64_t>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    async::Task<base::Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) override {
        return memory.close_interrupted(now_us);
    }
    async::Task<base::Result<void>> close_turn(sessions::TurnName turn, std::int64_t now_us) override {
        return memory.close_turn(std::move(turn), now_us);
    }
    async::Task<base::Result<std::optional<sessions::StoredTurn>>> turn(sessions::TurnName name) override {
        return memory.turn(std::move(name));
    }
    async::Task<base::Result<std::string>> next_turn(sessions::TurnName after) override {
        return memory.next_turn(std::move(after));
    }
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> idempotency(std::string owner,
                                                                                      std::string key,
                                                                                      std::int64_t now_us) override {
        return memory.idempotency(std::move(owner), std::move(key), now_us);
    }
    async::Task<base::Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key,
                                                                             sessions::MessageQuery query) override {
        return memory.messages(std::move(key), std::move(query));
    }
    async::Task<base::Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                              std::string after) override {
        return memory.sessions(std::move(owner), limit, std::move(after));
    }
    async::Task<base::Result<sessions::UsageReport>> usage(sessions::UsageQuery query) override {
        return memory.usage(std::move(query));
    }
    async::Task<base::Result<bool>> remove(sessions::SessionKey key) override { return memory.remove(std::move(key)); }

  private:
    async::Task<bool> is_done(std::string what);
    Gate& gate_;
    std::multiset<std::string> being_saved_;  // turns
};

/// A provider behind a gate. Its answer to a message is `word0 word1 ... end.`, as far as it gets. One per worker.
class GatedProvider final : public models::Provider {
  public:
    explicit GatedProvider(Gate& gate) : gate_(gate) {}

    /// How `open` and `next` may end: `opens`, `rejects`, `too long`, `breaks`, `throws`; `says`, `begins anew`,
    /// `finishes`, `breaks`, `throws`.
    std::vector<std::string> ways_to_open{"opens"};
    std::vector<std::string> ways_to_go_on{"says", "finishes", "breaks"};
    /// How many times an answer may go on before it has to end.
    std::size_t most_steps = 1;
    bool prefill = false;

    /// The text given so far in answer to the message, by message: of the last call.
    std::map<std::string, std::string> given;
    /// Calls under way.
    int running = 0;

    std::string_view kind() const override { return "gated"; }
    bool takes_prefill(std::string_view) const override { return prefill; }
    std::vector<std::string> ignored_parameters(const models::ModelRequest&) const override { return {}; }
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline deadline) override;

  private:
    class Stream;
    Gate& gate_;
};

/// All of it. The checkpoints' loop saves at once whatever is there, as soon as it gets to it. One per worker.
class TurnWorld {
  public:
    explicit TurnWorld(bool with_checkpoints = false);
    ~TurnWorld();

    /// Runs everything that can run.
    void settle() { context_.poll(); }
    /// A task that waits for nothing but an open gate.
    template <class T>
    T now(async::Task<T> task) {
        std::optional<T> value;
        tasks.spawn(keep(std::move(task), value));
        settle();
        return std::move(value.value());
    }

  private:
    template <class T>
    static async::Task<void> keep(async::Task<T> task, std::optional<T>& value) {
        value.emplace(co_await std::move(task));
    }
    boost::asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    boost::asio::executor_work_guard<async::Executor> work_{context_.get_executor()};

  public:
    const async::Executor executor = context_.get_executor();
    async::TaskGroup tasks;
    ManualClock clock;
    Gate gate{executor};
    GatedStore store{gate};
    sessions::TurnRegistry registry{16};
    sessions::TurnLogs logs{{}, clock};
    models::Resilience resilience{{.retry = {.attempts = 1}, .breaker = {.failures = 0}}};
    sessions::IdempotencyKeys keys;
    models::ModelDirectory models;
    telemetry::Log log{telemetry::Level::off, telemetry::Log::Form::json};
    billing::Prices prices{clock};
    billing::Budgets budgets{std::vector<billing::BudgetRule>()};
    sessions::Spending spending{prices, budgets, store, clock};
    sessions::Checkpoints checkpoints;
    GatedProvider* provider = nullptr;
    sessions::SessionService service;
};

}  // namespace tertulia::test
