#include "tertulia/http/websocket_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

std::unexpected<base::Error> refuse(int status, std::string message) {
    return std::unexpected(
        base::Error{.code = base::Errc::invalid_request, .message = std::move(message), .status = status});
}

// The elements of a list-valued field, which may be spread over several lines (RFC 9110 5.6.1).
std::vector<std::string_view> list(const Headers& headers, std::string_view name) {
    std::vector<std::string_view> elements;
    for (const auto& [field, value] : headers.fields()) {
        if (!equal_ignoring_case(field, name)) continue;
        for (std::string_view rest = value; !rest.empty();) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            const std::string_view element = trim(rest.substr(0, comma));
            if (!element.empty()) elements.push_back(element);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return elements;
}

bool has_element(const Headers& headers, std::string_view name, std::string_view wanted) {
    return std::ranges::any_of(list(headers, name),
                               [&](std::string_view element) { return equal_ignoring_case(element, wanted); });
}

// 16 bytes in base64: 22 digits and two equals signs.
bool is_key(std::string_view text) {
    return text.size() == 24 && text.ends_with("==") && std::ranges::all_of(text.substr(0, 22), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
                      c == '/';
           });
}

std::string accept_value(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    std::array<unsigned char, 4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1> encoded;
    const int size = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
    return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

}  // namespace

base::Result<std::string> check_websocket_handshake(const Request& request) {
    if (request.is_http_1_0) return refuse(400, "A WebSocket needs HTTP/1.1.");
    if (!has_element(request.headers, "upgrade", "websocket") || !has_element(request.headers, "connection", "upgrade"))
        return refuse(426,
                      "This is a WebSocket: send Upgrade: websocket and Connection: Upgrade (a proxy on the way must "
                      "pass them on).");
    if (request.headers.get("sec-websocket-version") != "13")
        return refuse(426, "Only version 13 of the WebSocket protocol is spoken here (Sec-WebSocket-Version: 13).");
    const std::string_view key = request.headers.get("sec-websocket-key");
    const auto keys = std::ranges::count_if(request.headers.fields(), [](const auto& field) {
        return equal_ignoring_case(field.first, "sec-websocket-key");
    });
    if (keys != 1 || !is_key(key)) return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64.");
    if (!request.body.empty()) return refuse(400, "The request for a WebSocket has no body.");
    return accept_value(key);
}

std::vector<std::string_view> offered_subprotocols(const Request& request) {
    return list(request.headers, "sec-websocket-protocol");
}

}  // namespace tertulia::http
