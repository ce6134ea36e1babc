// A message over a WebSocket: whatever comes in is a request within its limits, or an error that says what to do.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tertulia/api/socket_request.h"
#include "tertulia/base/random.h"
#include "tertulia/base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using Type = tertulia::api::SocketRequest::Type;
    const auto require = [](bool holds) {
        if (!holds) std::abort();
    };
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string id;
    const auto request = tertulia::api::parse_socket_request(text, id);
    const auto characters = std::ranges::count_if(id, [](char c) { return (c & 0xc0) != 0x80; });
    require(characters <= 64 && tertulia::base::find_invalid_utf8(id) == std::string_view::npos);
    if (!request) {
        const tertulia::base::Error& error = request.error();
        require(error.code == tertulia::base::Errc::invalid_request && !error.message.empty());
        require(tertulia::base::find_invalid_utf8(error.message) == std::string_view::npos);
        return 0;
    }
    require(request->request_id == id);
    const bool is_chat = request->type == Type::chat, is_ping = request->type == Type::ping;
    require(is_chat == !request->chat.turn.content.empty());
    require(is_chat || is_ping || tertulia::base::is_session_id(request->session_id));
    const bool has_turn = request->type == Type::resume || request->type == Type::cancel;
    require(has_turn ? tertulia::base::is_session_id(request->turn_id) : request->turn_id.empty());
    if (request->last_event_id) {
        require(request->type == Type::resume || request->type == Type::subscribe);
        require(request->type == Type::subscribe || request->last_event_id->turn_id == request->turn_id);
    }
    require(is_chat || request->chat.turn.once.key.empty());
    return 0;
}
