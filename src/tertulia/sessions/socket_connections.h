// WebSockets that no process of ours holds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"

namespace tertulia::sessions {

/// A client's WebSocket at a front such as API Gateway's, where each of its messages may come to another process.
/// Value.
struct SocketConnection {
    std::string id;
    std::string owner;
    /// Session to the number of its subscription: only the latest one is sent its events.
    std::map<std::string, std::string> subscriptions;
    /// Turns that were begun over it in a session that it subscribes to: it gets their events anyway.
    std::set<std::string> own_turns;
    bool operator==(const SocketConnection&) const = default;
};

/// What all processes know of such connections. Errors: unavailable. One per worker.
class SocketConnections {
  public:
    virtual ~SocketConnections() = default;

    /// It was opened. Forgotten at `expires_us` (microseconds since 1970) by itself.
    virtual async::Task<base::Result<void>> add(SocketConnection connection, std::int64_t expires_us) = 0;
    /// It is closed. One that is not there is none.
    virtual async::Task<base::Result<void>> remove(std::string id) = 0;
    /// Nothing: it is closed.
    virtual async::Task<base::Result<std::optional<SocketConnection>>> find(std::string id) = 0;
    /// `number` is the subscription now; empty: there is none any more. False: the connection is closed.
    virtual async::Task<base::Result<bool>> subscribe(std::string id, std::string session_id, std::string number) = 0;
    /// Notes the turn among `own_turns`, where the connection subscribes to its session.
    virtual async::Task<base::Result<void>> note_turn(std::string id, std::string session_id, std::string turn_id) = 0;
};

}  // namespace tertulia::sessions
