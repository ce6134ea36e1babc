// A session's messages in DynamoDB.
#pragma once

#include <string>
#include <vector>

#include "tertulia/base/random.h"
#include "tertulia/storage/dynamodb_client.h"
#include "tertulia/storage/dynamodb_message.h"
#include "tertulia/storage/dynamodb_tables.h"

namespace tertulia::storage {

/// Which messages are read, and in which order. Value.
struct HistoryRange {
    /// Exclusive places; empty: no bound.
    std::string after = {};
    std::string before = {};
    bool newest_first = true;
    std::int64_t max_messages = 0;
    std::int64_t max_bytes = 0;
    /// Events, outcome and bills too.
    bool with_the_rest = false;
    /// What was written within the last moment may be missing, or be as it was before: costs half.
    bool may_lag = false;
    /// One page is enough: the result may be shorter than both limits allow.
    bool one_page = false;
};

/// Value.
struct HistoryPart {
    std::vector<DynamoMessage> messages;
    /// Is there more behind the last one, within the bounds?
    bool more = false;
};

/// One per worker.
class DynamoHistory {
  public:
    template <class T>
    using Outcome = DynamoClient::Outcome<T>;

    /// All outlive it.
    DynamoHistory(DynamoClient& client, base::Random& random, const DynamoTables& tables)
        : client_(client), random_(random), tables_(tables) {}

    async::Task<Outcome<HistoryPart>> read(sessions::SessionKey key, HistoryRange range, base::Deadline deadline);
    /// How many messages there are, whoever wrote them: reads all of them.
    async::Task<Outcome<std::int64_t>> count(sessions::SessionKey key, base::Deadline deadline);

    /// Where a message is to be written, and over what.
    struct Place {
        sessions::SessionKey key;
        /// The turn whose message stands there and is replaced; nothing: none may be there.
        std::optional<std::string> instead_of = {};
    };
    /// Writes the message at its timestamp, whole or not at all. A condition that does not hold is an error
    /// (`condition_failed`).
    async::Task<Outcome<void>> write(Place place, DynamoMessage message, base::Deadline deadline);
    /// The same where none is there, if the session's header still says `turn` and `by`.
    async::Task<Outcome<void>> write_if_claimed(sessions::SessionKey key, DynamoMessage message, DynamoItem header_key,
                                                DynamoExpression condition, std::string token, base::Deadline deadline);
    /// Deletes these parts of a message that has been replaced or refused.
    async::Task<Outcome<void>> remove_parts(sessions::SessionKey key, std::string place, std::int64_t base,
                                            std::int64_t parts, base::Deadline deadline);

    struct AllKeys {
        std::vector<DynamoItem> keys;
        std::vector<BilledTurn> billed;
    };
    /// What it takes to delete a session.
    async::Task<Outcome<AllKeys>> all_keys(sessions::SessionKey key, base::Deadline deadline);
    async::Task<Outcome<void>> remove(std::vector<DynamoItem> keys, base::Deadline deadline);
    /// Of all messages after the place `from` (empty: of all).
    async::Task<Outcome<std::vector<BilledTurn>>> bills(sessions::SessionKey key, std::string from,
                                                        base::Deadline deadline);

  private:
    async::Task<Outcome<DynamoItem>> write_parts(const sessions::SessionKey& key, DynamoMessage& message,
                                                 base::Deadline deadline);
    std::int64_t choose_base(std::size_t parts) const;
    DynamoQuery query_of(const sessions::SessionKey& key, const HistoryRange& range) const;

    DynamoClient& client_;
    base::Random& random_;
    const DynamoTables& tables_;
};

}  // namespace tertulia::storage
