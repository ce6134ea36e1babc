#include "tertulia/api/socket_handler.h"

#include <algorithm>

#include "tertulia/api/auth.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/socket_session.h"
#include "tertulia/http/websocket.h"
#include "tertulia/http/websocket_handshake.h"

namespace tertulia::api {
namespace {

constexpr std::string_view subprotocol = "tertulia";

bool offers_subprotocol(const http::Request& request) {
    const auto offered = http::offered_subprotocols(request);
    return std::ranges::find(offered, subprotocol) != offered.end();
}

}  // namespace

base::Result<std::string> SocketHandler::admit(const http::Request& request) const {
    if (!is_allowed_origin(request, settings_.origins))
        return base::fail(base::Errc::forbidden, "Pages of this origin may not connect; name it in cors_origins.");
    // A browser fails a socket that is answered with none of what it offered.
    return std::string(offers_subprotocol(request) ? subprotocol : token_subprotocol(request, settings_.token));
}

async::Task<void> SocketHandler::open(http::Request& request, http::ResponseWriter& writer) {
    auto admitted = admit(request);
    if (!admitted) {
        co_await writer.respond(error_response(admitted.error(), {.request_id = request.id}));
        co_return;
    }
    http::WebSocketOptions options{.message_limit = settings_.message_limit,
                                   .ping_after = defaults_.heartbeat,
                                   .idle_limit = settings_.idle_limit,
                                   .subprotocol = *std::move(admitted)};
    auto socket = co_await http::accept_websocket(request, writer, std::move(options));
    if (!socket) {
        co_await writer.respond(error_response(socket.error(), {.request_id = request.id}));
        co_return;
    }
    SocketSession session(sessions_, clock_, defaults_, *std::move(socket), request.id, co_await async::this_executor,
                          on_bug_);
    co_await session.run();
}

}  // namespace tertulia::api
