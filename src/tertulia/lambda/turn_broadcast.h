// Turns, told to all who subscribe to their session.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/api/chat_handler.h"
#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/lambda/gateway_socket.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/socket_connections.h"
#include "tertulia/sessions/turn_audience.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::lambda {

/// Looks who subscribes to a turn's session over a WebSocket API, at the turn's start, now and then while it runs and
/// once more after its end, and posts them its events. A subscriber that comes in its midst is told from its beginning,
/// or from where it says that it is. One per worker.
class TurnBroadcast final : public sessions::TurnAudience {
  public:
    /// All of it outlives this.
    struct Parts {
        sessions::SessionService& sessions;
        sessions::SocketConnections& connections;
        GatewaySocket::Parts gateway;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        const telemetry::Log& log;
    };
    struct Settings {
        /// False: only turns that came over a WebSocket are told, since else there may be no WebSocket API at all.
        bool every_turn = false;
        api::ChatDefaults chat;
        /// Between two messages to a client of events of the same turn, at least.
        base::Milliseconds pace{60};
        base::Milliseconds look_again{2'000};
    };
    TurnBroadcast(Parts parts, Settings settings);
    ~TurnBroadcast() override;

    void started(const std::shared_ptr<sessions::TurnLog>& log, std::string_view request_id) override;
    /// A connection's id.
    std::string told_already(std::string_view request_id) const override;

    /// While it lives, the turns of a request count as a client's own, which is told of them otherwise. Value
    /// (movable).
    class [[nodiscard]] Origin {
      public:
        Origin(TurnBroadcast& broadcast, std::string request_id, std::string connection_id);
        ~Origin();
        Origin(Origin&& other) noexcept;
        Origin& operator=(Origin&&) = delete;

      private:
        TurnBroadcast* broadcast_;
        std::string request_id_;
    };

    /// Waits until all is told of the turns of a request, which have ended. False: not by `deadline`.
    async::Task<bool> finish(std::string request_id, base::Deadline deadline);

  private:
    struct Telling;
    struct Turn;

    async::Task<void> tell(std::shared_ptr<Turn> turn);
    async::Task<bool> look(Turn& turn);
    async::Task<bool> join(Turn& turn, sessions::SocketSubscription subscription);
    async::Task<void> tell_one(Turn& turn, std::shared_ptr<Telling> telling, std::uint32_t after);
    bool is_telling(std::string_view request_id) const;

    const Parts parts_;
    const Settings settings_;
    std::map<std::string, std::string, std::less<>> origins_;  // request to connection
    std::vector<std::shared_ptr<Turn>> turns_;                 // that are being told
    std::vector<std::weak_ptr<async::Waiter>> watchers_;       // woken when one is told
};

}  // namespace tertulia::lambda
