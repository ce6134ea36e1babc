// WebSockets of other fronts, in DynamoDB.
#pragma once

#include <string>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"
#include "tertulia/storage/dynamodb_client.h"

namespace tertulia::storage {

/// In the table of the sessions' headers, all with a `ttl`:
///
///     W#<connection>      c                  the connection: owner, s#<session> = the number of the subscription
///     W#<connection>      t#<turn>           who tells it of the turn, or how far it was told
///     W#<owner>|<session> <connection>       the subscription
///
/// One per worker.
class DynamoConnections final : public sessions::SocketConnections {
  public:
    /// `client` and `clock` outlive it; `table`: CHAT_META_TABLE_NAME's.
    DynamoConnections(DynamoClient& client, const base::Clock& clock, std::string table)
        : client_(client), clock_(clock), table_(std::move(table)) {}

    async::Task<base::Result<void>> add(std::string connection_id, std::string owner, std::int64_t expires_us) override;
    async::Task<base::Result<void>> remove(std::string connection_id) override;
    async::Task<base::Result<bool>> subscribe(sessions::SocketSubscription subscription) override;
    async::Task<base::Result<void>> unsubscribe(std::string connection_id, sessions::SessionKey key) override;
    async::Task<base::Result<void>> stop_waiting(sessions::SocketSubscription subscription) override;
    async::Task<base::Result<std::vector<sessions::SocketSubscription>>> subscriptions(
        sessions::SessionKey key) override;
    async::Task<base::Result<std::optional<std::uint32_t>>> claim(sessions::SocketSubscription subscription,
                                                                  std::string turn_id, std::string by) override;
    async::Task<base::Result<void>> release(sessions::SocketSubscription subscription, std::string turn_id,
                                            std::uint32_t told) override;

  private:
    async::Task<base::Result<void>> delete_item(DynamoItem key);

    DynamoClient& client_;
    const base::Clock& clock_;
    const std::string table_;
};

/// From the item and back; nothing: it is none, or has expired. Pure.
DynamoItem subscription_item(const sessions::SocketSubscription& subscription);
std::optional<sessions::SocketSubscription> subscription_of(const DynamoItem& item, std::int64_t now_us);

}  // namespace tertulia::storage
