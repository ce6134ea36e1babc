// The HTTP API of the server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tertulia/api/chat_handler.h"
#include "tertulia/api/content_gate.h"
#include "tertulia/api/cors.h"
#include "tertulia/api/health_handlers.h"
#include "tertulia/api/page_handler.h"
#include "tertulia/api/session_handlers.h"
#include "tertulia/api/socket_handler.h"
#include "tertulia/api/turn_handlers.h"
#include "tertulia/api/usage_handler.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/http/router.h"
#include "tertulia/http/server.h"
#include "tertulia/models/readiness.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::api {

/// What the configuration says of the API. Value.
struct ApiSettings {
    /// Every request but those for `/`, `/healthz` and `/readyz` must bear it; empty: none is asked for.
    base::Secret api_token;
    /// Refuse a `Host` that is not a loopback name: for a loopback listener without a token, against DNS rebinding.
    bool check_host = false;
    /// Origins whose pages may call ("https://app.example"), or `*` for all; empty: CORS is off.
    std::vector<std::string> cors_origins;
    ChatDefaults chat;
    ContentLimits content;
    /// `origins` and `token` are those above.
    SocketSettings sockets;
};

/// The routes, and what goes for every request: who may call, request id, CORS, the shape of errors, one log line and
/// the metrics. One per worker; what the parts refer to outlives it.
class Api {
  public:
    struct Parts {
        sessions::SessionService& sessions;
        const models::Readiness& readiness;
        base::Random& random;
        const telemetry::Log& log;
        telemetry::Metrics& metrics;
        const base::Clock& clock = base::system_clock();
    };
    Api(Parts parts, ApiSettings settings);
    Api(const Api&) = delete;

    /// For the HTTP server, with `hook_into` its options: both refer to this.
    const http::Router& router() const { return router_; }
    void hook_into(http::ServerOptions& options);

    /// May this request be answered at all? Looked at before its body is read.
    base::Result<void> admit(const http::Request& request) const;
    /// The same for the opening of a WebSocket that another front holds: its origin too. The subprotocol to answer
    /// with, or empty.
    base::Result<std::string> admit_socket(const http::Request& handshake) const;
    /// What lets its body be longer than the server's limit; null: nothing.
    std::shared_ptr<http::BodyGate> gate_body(const http::Request& request) const;
    /// The answer to a request that no handler answered; `request` is null where not even its head could be read.
    http::Response refuse(const base::Error& error, const http::Request* request);
    /// Adds what every answer carries.
    void decorate(const http::Request& request, http::Response& response) const;
    /// Logs and counts an answer.
    void record(const http::Request& request, const http::Answered& answered);

  private:
    void add_routes();
    void add_preflights();

    Parts parts_;
    ApiSettings settings_;
    Cors cors_;
    ChatHandler chat_;
    SessionHandlers sessions_;
    TurnHandlers turns_;
    SocketHandler sockets_;
    UsageHandler usage_;
    HealthHandlers health_;
    PageHandler page_;
    http::Router router_;
};

}  // namespace tertulia::api
