// WebSockets that no process of ours holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// A client's wish, over a WebSocket of another front (API Gateway's), to hear of all turns of a session. Value.
struct SocketSubscription {
    SessionKey key;
    std::string connection_id;
    /// How its front is reached, in words of the front's own.
    std::string address;
    /// Of this subscription: the next one of the same connection to the same session has another.
    std::string number;
    /// The client's own id of what it asked, which all messages bear that answer it.
    std::string client_id = {};
    /// What it knows of the session already: the events of `last_turn` up to `last_number`. Empty: nothing is said.
    std::string last_turn = {};
    std::uint32_t last_number = 0;
    /// Turns that run wait until then (microseconds since 1970), since it is being told of those that have ended.
    std::int64_t waits_until_us = 0;
    /// When its connection is over at the latest (microseconds since 1970).
    std::int64_t expires_us = 0;
    bool operator==(const SocketSubscription&) const = default;
};

/// What all processes know of such connections. A turn is told to a subscriber by whoever claims that: once, whichever
/// of them sees the subscription, and in order, since `claim` says how far another one came. Errors: unavailable. One
/// per worker.
class SocketConnections {
  public:
    virtual ~SocketConnections() = default;

    /// It was opened. Forgotten at `expires_us` (microseconds since 1970) by itself.
    virtual async::Task<base::Result<void>> add(std::string connection_id, std::string owner,
                                                std::int64_t expires_us) = 0;
    /// It is closed, and its subscriptions with it. One that is not there is none.
    virtual async::Task<base::Result<void>> remove(std::string connection_id) = 0;

    /// False: the connection is closed, or subscribes to this session already. `expires_us` is the connection's.
    virtual async::Task<base::Result<bool>> subscribe(SocketSubscription subscription) = 0;
    virtual async::Task<base::Result<void>> unsubscribe(std::string connection_id, SessionKey key) = 0;
    /// Turns that run need not wait any more.
    virtual async::Task<base::Result<void>> stop_waiting(SocketSubscription subscription) = 0;
    /// Of a session; whatever was written before this is asked is seen.
    virtual async::Task<base::Result<std::vector<SocketSubscription>>> subscriptions(SessionKey key) = 0;

    /// The right to tell the subscriber of a turn: gives the number of the last event that another one told, 0 where
    /// none was. Nothing: another one tells it, or has. `by`: who claims; asked again, it has the right.
    virtual async::Task<base::Result<std::optional<std::uint32_t>>> claim(SocketSubscription subscription,
                                                                          std::string turn_id, std::string by) = 0;
    /// Gives the right back: whoever claims next goes on after event `told`.
    virtual async::Task<base::Result<void>> release(SocketSubscription subscription, std::string turn_id,
                                                    std::uint32_t told) = 0;
};

}  // namespace tertulia::sessions
