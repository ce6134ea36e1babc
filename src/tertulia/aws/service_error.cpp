#include "tertulia/aws/service_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value.hpp>

#include "tertulia/aws/retry_policy.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"

namespace tertulia::aws {
namespace {

using base::Errc;

constexpr std::size_t max_message_bytes = 300;

std::string_view text_of(const boost::json::object& object, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names)
        if (const auto* value = object.if_contains(name))
            if (const auto* text = value->if_string()) return {text->data(), text->size()};
    return {};
}

std::string bare_code(std::string_view type) {
    if (const std::size_t at = type.rfind('#'); at != std::string_view::npos) type.remove_prefix(at + 1);
    return std::string(type.substr(0, type.find(':')));
}

// One line; what a signature was made of has the session's token in it, and is told in several.
std::string one_line(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    std::string line(base::cut_utf8(text, max_message_bytes));
    std::ranges::replace_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return line;
}

Errc errc_of(const ServiceError& error) {
    switch (remedy_for(error)) {
        case Remedy::retry:
        case Remedy::retry_slower:
            return Errc::upstream_unavailable;
        case Remedy::new_credentials:
        case Remedy::correct_clock:
            return Errc::unauthenticated;
        case Remedy::none:
            break;
    }
    if (error.status >= 500) return Errc::upstream_unavailable;
    if (error.is("AccessDeniedException") || error.is("AccessDenied") || error.status == 403) return Errc::forbidden;
    if (error.is("MissingAuthenticationTokenException") || error.is("IncompleteSignatureException"))
        return Errc::unauthenticated;
    return Errc::upstream_rejected;
}

}  // namespace

ServiceError read_service_error(int status, const http::Headers& headers, std::string body) {
    ServiceError error{.code = bare_code(headers.get("x-amzn-errortype")), .status = status};
    if (const auto json = base::parse_json(body); json && json->is_object()) {
        if (error.code.empty()) error.code = bare_code(text_of(json->get_object(), {"__type", "code", "Code"}));
        error.message = one_line(text_of(json->get_object(), {"message", "Message", "errorMessage"}));
    }
    error.body = std::move(body);
    error.errc = errc_of(error);
    return error;
}

base::Error to_error(const ServiceError& error, std::string_view service) {
    if (error.errc == Errc::unavailable) return {.code = error.errc, .message = error.message};  // "stopped"
    std::string_view what = "fails";
    if (error.status == 0)
        what = "cannot be asked";
    else if (error.errc == Errc::upstream_rejected)
        what = "refuses the request";
    else if (error.errc == Errc::forbidden)
        what = "does not permit it";
    else if (error.errc == Errc::unauthenticated)
        what = "does not take the credentials";
    std::string name = error.code;
    if (name.empty() && error.status != 0) name = fmt::format("HTTP {}", error.status);
    std::string text = fmt::format("{} {}", service, what);
    if (!name.empty()) text += fmt::format(" ({})", name);
    if (!error.message.empty()) text += ": " + error.message;
    if (!text.ends_with('.')) text += '.';
    return {.code = error.errc, .message = std::move(text)};
}

}  // namespace tertulia::aws
