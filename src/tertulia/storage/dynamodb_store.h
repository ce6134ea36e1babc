// Sessions in two DynamoDB tables, which several processes may share.
#pragma once

#include <memory>

#include "tertulia/aws/credential_cache.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/random.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/dynamodb_sessions.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Value.
struct DynamoOptions {
    DynamoSettings settings = {};
    aws::ServiceConfig service = {};
    /// Where credentials come from.
    base::Environment environment = {};
};

/// Tables, region, credentials and address as the environment says: CHAT_SESSIONS_TABLE_NAME and CHAT_META_TABLE_NAME
/// besides the usual. invalid_request: one of them is no good.
base::Result<DynamoOptions> dynamo_options(const base::Environment& environment);

/// Asks DynamoDB from a thread of its own, with an HTTP client of its own. Every method is over after 18 s, one way or
/// the other. Shared; safe from any thread: tasks come back on the caller's worker.
class DynamoStore final : public sessions::SessionStore {
  public:
    /// All of them outlive it. No task of the store may be waited for any more when it is destroyed.
    DynamoStore(DynamoOptions options, const base::Clock& clock, base::Random& random, const telemetry::Log& log);
    ~DynamoStore() override;

    bool is_shared() const override { return true; }
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) override;
    async::Task<base::Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                                          std::int64_t max_messages,
                                                                          std::int64_t max_bytes) override;
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open_turn(
        sessions::TurnOpening opening) override;
    async::Task<base::Result<void>> abandon_turn(sessions::TurnName turn) override;
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> claim_key(std::string owner,
                                                                                    sessions::IdempotencyRecord record,
                                                                                    std::string instead_of,
                                                                                    std::int64_t now_us) override;
    async::Task<base::Result<void>> free_key(std::string owner, std::string key, std::string turn_id) override;
    async::Task<base::Result<bool>> ask_to_stop(sessions::TurnName turn, sessions::TurnState as) override;
    async::Task<base::Result<std::string>> running_turn(sessions::SessionKey key) override;
    async::Task<base::Result<void>> watch(sessions::SessionKey key) override;
    async::Task<base::Result<sessions::TurnNews>> news(sessions::TurnName turn, sessions::NewsPlace from) override;
    async::Task<base::Result<void>> hand_over(sessions::TurnName turn) override;
    async::Task<base::Result<sessions::HandedTurn>> take_over(sessions::TurnOpening opening) override;
    async::Task<base::Result<std::int64_t>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    async::Task<base::Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::StoredTurn>>> turn(sessions::TurnName name) override;
    async::Task<base::Result<std::string>> next_turn(sessions::TurnName after) override;
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> idempotency(std::string owner,
                                                                                      std::string key,
                                                                                      std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key,
                                                                             sessions::MessageQuery query) override;
    async::Task<base::Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                              std::string after) override;
    async::Task<base::Result<bool>> remove(sessions::SessionKey key) override;
    async::Task<base::Result<sessions::UsageReport>> usage(sessions::UsageQuery query) override;

    /// Makes the tables that are missing; gives lines for people.
    async::Task<base::Result<std::string>> create_tables();
    /// What all requests so far took.
    async::Task<DynamoUse> use();

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace tertulia::storage
