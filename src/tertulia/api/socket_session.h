// One client's WebSocket.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tertulia/api/chat_handler.h"
#include "tertulia/api/event_json.h"
#include "tertulia/api/own_turns.h"
#include "tertulia/api/socket_frames.h"
#include "tertulia/api/socket_request.h"
#include "tertulia/async/task_group.h"
#include "tertulia/http/websocket.h"
#include "tertulia/sessions/session_feed.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// How events go to a client whose connection is not ours. Value.
struct SocketManner {
    /// Nothing: each event is a message of its own.
    std::optional<FrameLimits> limits = {};
    /// From one batch of events to the next, at least: what comes meanwhile is joined.
    base::Milliseconds pace{0};
    /// A task lasts as long as the turn that it told of, even where the client has left.
    bool stays_for_turns = false;
    /// Lets a message that begins a turn be recognised where it comes twice; empty: only by the client's own key.
    std::string once_key = {};
};

/// Reads a client's messages and sends it the events that it asked for: of the turns that it began or resumed, and of
/// the sessions that it subscribed to. Each is a task with a reader of its own, so nothing is kept for a client that is
/// slow, and nothing is lost by one that leaves. Belongs to the connection's task. One per worker.
class SocketSession {
  public:
    /// The most turns and subscriptions that one socket is sent at a time.
    static constexpr std::size_t most_readers = 256;

    SocketSession(sessions::SessionService& sessions, const base::Clock& clock, ChatDefaults defaults,
                  std::shared_ptr<http::WebSocket> socket, std::string_view request_id, async::Executor executor,
                  std::function<void(const std::string&)> on_bug, SocketManner manner = {})
        : sessions_(sessions),
          clock_(clock),
          defaults_(defaults),
          socket_(std::move(socket)),
          request_id_(request_id),
          manner_(manner),
          tasks_(executor, std::move(on_bug)) {}

    /// To the end of the socket.
    async::Task<void> run();
    /// One message, to the end of all that it asks for.
    async::Task<void> serve(std::string message);
    /// A turn that goes on here, to its end. `client_id`: SocketRequest::request_id of what began it.
    async::Task<void> serve(sessions::TurnReader reader, std::string client_id);
    /// Nothing more is sent: what is served ends soon, but turns go on.
    void stop();

    /// How far the client was told. Value.
    struct Place {
        std::string turn_id;
        std::uint32_t number = 0;
    };
    /// Of the turn that was begun or resumed last.
    const Place& turn_place() const { return turn_place_; }

  private:
    // The server stops: the socket is closed when all that is being told has been told.
    void drain();
    async::Task<void> take(std::string text);
    void spawn(async::Task<void> task);
    async::Task<void> to_its_end(async::Task<void> task);
    void close_if_drained(std::size_t running);
    async::Task<void> chat(SocketRequest request);
    async::Task<void> resume(SocketRequest request);
    async::Task<void> subscribe(SocketRequest request);
    void unsubscribe(const std::string& session_id);
    async::Task<void> cancel(SocketRequest request);

    async::Task<void> send_turn(sessions::TurnReader reader, std::string client_id, bool cancel_at_end);
    async::Task<void> send_feed(std::shared_ptr<sessions::SessionFeed> feed, std::string session_id,
                                std::string client_id);
    async::Task<bool> send_batch(const sessions::EventBatch& batch, const TurnFacts& facts, std::string_view client_id);
    static async::Task<void> wait_until(base::Deadline time);
    async::Task<void> send_error(const base::Error& error, std::string_view client_id, std::string_view more = {});
    async::Task<void> send_pong(std::string_view client_id);

    sessions::SessionService& sessions_;
    const base::Clock& clock_;
    const ChatDefaults defaults_;
    const std::shared_ptr<http::WebSocket> socket_;
    const std::string request_id_;
    const SocketManner manner_;
    async::TaskGroup tasks_;
    std::set<sessions::TurnReader*> readers_;
    std::map<std::string, std::shared_ptr<sessions::SessionFeed>> feeds_;
    OwnTurns own_turns_;  // whose events this socket gets anyway
    Place turn_place_;
    bool is_stopped_ = false;
    bool is_draining_ = false;
};

}  // namespace tertulia::api
