#include "tertulia/api/auth.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "tertulia/base/crypto.h"
#include "tertulia/http/websocket_handshake.h"

namespace tertulia::api {
namespace {

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return lower;
}

// A decimal number of at most `max`, digits only.
bool is_number(std::string_view text, unsigned max) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number <= max;
}

bool is_loopback_v4(std::string_view address) {
    int parts = 0;
    for (std::string_view rest = address; parts < 4; ++parts) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        if (!is_number(rest.substr(0, dot), 255)) return false;
        if (dot == rest.size()) return parts == 3 && address.starts_with("127.");
        rest.remove_prefix(dot + 1);
    }
    return false;
}

}  // namespace

base::Result<void> check_bearer(std::string_view authorization, const base::Secret& token) {
    constexpr std::string_view scheme = "bearer ";
    if (lower_case(authorization.substr(0, scheme.size())) != scheme)
        return base::fail(base::Errc::unauthenticated, "Send the header 'Authorization: Bearer TOKEN'.");
    authorization.remove_prefix(scheme.size());
    authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
    if (!base::equal_constant_time(authorization, token.reveal()))
        return base::fail(base::Errc::unauthenticated, "The bearer token is not valid here.");
    return {};
}

std::string_view token_subprotocol(const http::Request& request, const base::Secret& token) {
    constexpr std::string_view prefix = "tertulia.token.";
    if (token.empty()) return {};
    for (const std::string_view offered : http::offered_subprotocols(request)) {
        const std::string_view borne = offered.starts_with(prefix) ? offered.substr(prefix.size()) : offered;
        if (base::equal_constant_time(borne, token.reveal())) return offered;
    }
    return {};
}

base::Result<void> check_socket_bearer(const http::Request& request, const base::Secret& token) {
    if (!token_subprotocol(request, token).empty()) return {};
    return check_bearer(request.headers.get("authorization"), token);
}

bool is_allowed_origin(const http::Request& request, const std::vector<std::string>& allowed) {
    const std::string* origin = request.headers.find("origin");
    if (!origin) return true;
    const std::string_view host = request.headers.get("host");
    if (!host.empty() && (*origin == "http://" + std::string(host) || *origin == "https://" + std::string(host)))
        return true;
    return std::ranges::any_of(allowed, [&](const std::string& one) { return one == "*" || one == *origin; });
}

bool is_loopback_host(std::string_view host) {
    const std::size_t name_end =
        host.starts_with('[') ? std::min(host.find(']'), host.size() - 1) + 1 : std::min(host.find(':'), host.size());
    const std::string_view port = host.substr(name_end);
    if (!port.empty() && (port[0] != ':' || !is_number(port.substr(1), 65535))) return false;
    const std::string name = lower_case(host.substr(0, name_end));
    return name == "localhost" || name == "[::1]" || is_loopback_v4(name);
}

}  // namespace tertulia::api
