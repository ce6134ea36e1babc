// Sessions in DynamoDB, on the store's own worker.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/random.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/dynamodb_cache.h"
#include "tertulia/storage/dynamodb_client.h"
#include "tertulia/storage/dynamodb_header.h"
#include "tertulia/storage/dynamodb_history.h"
#include "tertulia/storage/dynamodb_pieces.h"
#include "tertulia/storage/dynamodb_tables.h"
#include "tertulia/storage/dynamodb_update.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Value.
struct DynamoSettings {
    DynamoTables tables = {};
    /// How long a claim holds without being renewed, and when it is renewed first: a turn that is over before needs no
    /// more than its claim.
    base::Milliseconds lease{9000};
    base::Milliseconds renew_after{5500};
    /// How long a mark holds that a process follows a session's turns, and when it is renewed at the earliest.
    base::Milliseconds watched_for{30'000};
    base::Milliseconds watch_again{20'000};
    /// How long a turn that was handed over waits for who goes on with it.
    base::Milliseconds handed_over_limit{60'000};
    /// For one method of the store, with all of its requests.
    base::Milliseconds limit{18'000};
    std::size_t cache_bytes = 16 << 20;
    /// For the bills of interrupted turns; empty: they have no price.
    PriceBill priced = {};
};

/// What the methods of SessionStore do, one for one (store.h says what they mean). One per worker.
///
/// The items, and how several processes share them, are in docs/dynamodb.md. In short: a turn claims its session with
/// one conditional update of the header, which fixes the place of its question; the answer's place follows from that.
/// Both are written where nothing is yet. So whoever lost the claim meets there what came after it.
class DynamoSessions {
  public:
    template <class T>
    using Result = base::Result<T>;
    template <class T>
    using Task = async::Task<T>;
    using Deadline = base::Deadline;

    /// All of them outlive it, and `tasks` is empty by its end.
    DynamoSessions(DynamoClient& client, async::TaskGroup& tasks, async::Executor executor, const base::Clock& clock,
                   base::Random& random, const telemetry::Log& log, DynamoSettings settings);

    Task<Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key, std::int64_t max_messages,
                                                                std::int64_t max_bytes);
    Task<Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                             std::int64_t max_messages, std::int64_t max_bytes);
    Task<Result<std::optional<sessions::SessionSnapshot>>> open_turn(sessions::TurnOpening opening);
    Task<Result<void>> abandon_turn(sessions::TurnName turn);
    Task<Result<std::optional<sessions::IdempotencyRecord>>> claim_key(std::string owner,
                                                                       sessions::IdempotencyRecord record,
                                                                       std::string instead_of, std::int64_t now_us);
    Task<Result<void>> free_key(std::string owner, std::string key, std::string turn_id);
    Task<Result<bool>> ask_to_stop(sessions::TurnName turn, sessions::TurnState as);
    Task<Result<std::string>> running_turn(sessions::SessionKey key);
    Task<Result<void>> watch(sessions::SessionKey key);
    Task<Result<sessions::TurnNews>> news(sessions::TurnName turn, sessions::NewsPlace from);
    Task<Result<void>> hand_over(sessions::TurnName turn);
    Task<Result<sessions::HandedTurn>> take_over(sessions::TurnOpening opening);
    Task<Result<std::int64_t>> begin_turn(sessions::TurnStart start);
    Task<Result<void>> end_turn(sessions::TurnEnd end);
    Task<Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces);
    Task<Result<std::int64_t>> close_interrupted(std::int64_t now_us);
    Task<Result<std::optional<sessions::StoredTurn>>> turn(sessions::TurnName name);
    Task<Result<std::string>> next_turn(sessions::TurnName after);
    Task<Result<std::optional<sessions::IdempotencyRecord>>> idempotency(std::string owner, std::string key,
                                                                         std::int64_t now_us);
    Task<Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key, sessions::MessageQuery query);
    Task<Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit, std::string after);
    Task<Result<bool>> remove(sessions::SessionKey key);
    Task<Result<sessions::UsageReport>> usage(sessions::UsageQuery query);

    /// Renews claims until `stop`.
    Task<void> renew_claims();
    void stop();

  private:
    template <class T>
    using Outcome = DynamoClient::Outcome<T>;

    // A turn of this process that has claimed its session.
    struct Running {
        sessions::SessionKey key;
        std::string turn_id;
        std::function<void(sessions::TurnState)> stop;
        std::function<void(base::Milliseconds)> watched;
        DynamoHeader header;                 // as it is with the claim
        std::optional<DynamoHeader> before;  // as it was; nothing: there was none
        std::vector<DynamoMessage> newest;   // newest first; once it has begun with its question
        bool more = false;
        SessionTotals totals;  // with the newest message
        bool has_begun = false;
        bool may_have_begun = false;             // its message was sent, whatever became of it
        std::optional<DynamoMessage> rewritten;  // the answer as it was
        std::string context_from;
        std::int64_t context_window = 0;
        std::int64_t held_until_ms = 0;  // by the wall clock,
        base::SteadyTime held_until{};   // and by the other one
        base::SteadyTime renew_at{};
        bool is_renewing = false;
        bool is_lost = false;
        bool is_asked_to_stop = false;
        std::uint64_t pieces = 0;  // of its checkpoints: items
    };
    using Runs = std::shared_ptr<Running>;

    // The session as a claim sees it.
    struct View {
        std::vector<DynamoMessage> newest;
        bool more = false;
        const DynamoMessage* front() const { return newest.empty() ? nullptr : &newest.front(); }
    };

    // -- claims (dynamodb_claims.cpp)
    Task<Result<Runs>> claim(const sessions::TurnOpening& opening, const sessions::TurnStart* direct,
                             Deadline deadline);
    static std::string end_of(const View& view);
    Task<Result<View>> look(const sessions::SessionKey& key, const sessions::TurnOpening& opening, Deadline deadline);
    Task<Outcome<DynamoItem>> write_claim(const sessions::TurnOpening& opening, const View& view,
                                          std::optional<std::int64_t> at_version, const std::string& place,
                                          const std::string& title, std::int64_t until_ms, std::int64_t first_version,
                                          Deadline deadline);
    Task<Result<bool>> close_lost(const sessions::SessionKey& key, const DynamoHeader& header, const View& view,
                                  std::string place, std::string created_at, Deadline deadline);
    Task<Result<std::string>> title_of(const sessions::TurnOpening& opening, const View& view, Deadline deadline);
    Task<Result<SessionTotals>> totals_of(const sessions::SessionKey& key, const View& view, Deadline deadline);
    Task<bool> is_held(Runs runs, Deadline deadline);
    Task<Result<void>> renew(Runs runs, Deadline deadline);
    Task<void> renew_in_turn(Runs runs);
    Task<Result<void>> give_back(Runs runs, Deadline deadline);
    void tell_watched(const Running& runs, const DynamoHeader& header) const;
    void set_held(Running& runs, base::SteadyTime asked_at, std::int64_t until_ms) const;
    Runs find(const sessions::SessionKey& key, const std::string& turn_id) const;
    void forget(const Runs& runs);

    // -- following (dynamodb_following.cpp)
    Task<Outcome<DynamoItem>> mark_watched(const sessions::SessionKey& key, std::size_t which, Deadline deadline);

    // -- turns (dynamodb_turns.cpp)
    Task<Result<std::int64_t>> begin_question(Runs runs, sessions::StoredMessage message, std::uint32_t first_number,
                                              Deadline deadline);
    Task<Result<std::int64_t>> begin_rewriting(Runs runs, const sessions::TurnStart& start, Deadline deadline);
    Task<Outcome<void>> write_answer(const Running& runs, DynamoMessage answer, Deadline deadline);
    Task<Outcome<void>> rewrite(const sessions::SessionKey& key, const DynamoMessage& before, DynamoMessage answer,
                                Deadline deadline);
    Task<Result<std::optional<sessions::TurnRemains>>> remains_of(const sessions::SessionKey& key, std::string turn_id,
                                                                  Deadline deadline);
    // `pieces`: none yet.
    Task<Outcome<DynamoPieces>> pieces_of(const sessions::SessionKey& key, std::string turn_id, DynamoPieces pieces,
                                          Deadline deadline);
    Task<void> keep_late_bills(sessions::SessionKey key, std::string turn_id, std::string ended_at,
                               std::vector<billing::Bill> bills, Deadline deadline);

    // -- reading
    Task<Outcome<std::optional<DynamoHeader>>> read_header(const sessions::SessionKey& key, Deadline deadline);
    struct Replaced {
        DynamoMessage answer;  // its content is empty
        std::size_t content_size = 0;
        std::string next_turn;
    };
    Task<Outcome<std::optional<Replaced>>> read_replaced(const sessions::SessionKey& key, const std::string& turn_id,
                                                         Deadline deadline);
    Task<Result<std::optional<sessions::StoredTurn>>> find_turn(sessions::TurnName name, bool may_close,
                                                                Deadline deadline);
    Task<Result<std::optional<sessions::StoredTurn>>> unanswered(sessions::TurnName name, const View& view,
                                                                 bool may_close, Deadline deadline);
    Task<Result<std::optional<sessions::SessionHeader>>> list_entry(const std::string& owner, DynamoHeader header,
                                                                    Deadline deadline);
    bool runs_now(const sessions::SessionKey& key, const DynamoHeader& header) const;

    base::Error told(const aws::ServiceError& error) const;
    std::unexpected<base::Error> failed(const aws::ServiceError& error) const { return std::unexpected(told(error)); }
    Deadline deadline() const { return Deadline::after(settings_.limit); }
    std::int64_t now_ms() const { return clock_.wall_us() / 1000; }
    std::int64_t ttl_in(std::chrono::seconds time) const { return clock_.wall_us() / 1'000'000 + time.count(); }

    DynamoClient& client_;
    async::TaskGroup& tasks_;
    const base::Clock& clock_;
    base::Random& random_;
    const telemetry::Log& log_;
    const DynamoSettings settings_;
    const std::string me_;  // this process, as others know it
    DynamoHistory history_;
    DynamoCache cache_;
    std::map<std::string, Runs> running_;  // by owner and session
    std::shared_ptr<async::Waiter> renewer_;
    // Sessions whose turns are followed here: when the next mark is due.
    std::map<std::string, base::SteadyTime> watched_;
    bool stopped_ = false;
};

}  // namespace tertulia::storage
