// WebSockets of other fronts, in DynamoDB.
#pragma once

#include <string>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"
#include "tertulia/storage/dynamodb_client.h"

namespace tertulia::storage {

/// One item for each in the table of the sessions' headers: `pk` = `W#<connection id>`, `sk` = `c`; `owner`, `ttl`,
/// `s#<session id>` = the number of the subscription, `own` = the turns begun over it. One per worker.
class DynamoConnections final : public sessions::SocketConnections {
  public:
    /// `client` and `clock` outlive it; `table`: CHAT_META_TABLE_NAME's.
    DynamoConnections(DynamoClient& client, const base::Clock& clock, std::string table)
        : client_(client), clock_(clock), table_(std::move(table)) {}

    async::Task<base::Result<void>> add(sessions::SocketConnection connection, std::int64_t expires_us) override;
    async::Task<base::Result<void>> remove(std::string id) override;
    async::Task<base::Result<std::optional<sessions::SocketConnection>>> find(std::string id) override;
    async::Task<base::Result<bool>> subscribe(std::string id, std::string session_id, std::string number) override;
    async::Task<base::Result<void>> note_turn(std::string id, std::string session_id, std::string turn_id) override;

  private:
    DynamoClient& client_;
    const base::Clock& clock_;
    const std::string table_;
};

/// From the item and back. Pure.
DynamoItem connection_item(const sessions::SocketConnection& connection, std::int64_t expires_us);
std::optional<sessions::SocketConnection> connection_of(const DynamoItem& item, std::int64_t now_us);

}  // namespace tertulia::storage
