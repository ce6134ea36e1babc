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

async::Task<void> SocketHandler::open(http::Request& request, http::ResponseWriter& writer) {
    if (!is_allowed_origin(request, settings_.origins)) {
        const base::Error error{.code = base::Errc::forbidden,
                                .message = "Pages of this origin may not connect; name it in cors_origins."};
        co_await writer.respond(error_response(error, {.request_id = request.id}));
        co_return;
    }
    http::WebSocketOptions options{.message_limit = settings_.message_limit,
                                   .ping_after = defaults_.heartbeat,
                                   .idle_limit = settings_.idle_limit,
                                   .subprotocol = {}};
    if (offers_subprotocol(request)) options.subprotocol = subprotocol;
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
