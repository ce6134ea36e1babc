#include "tertulia/api/once_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <string>

#include "tertulia/api/json_text.h"
#include "tertulia/base/crypto.h"
#include "tertulia/base/json.h"
#include "tertulia/http/ascii.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;

constexpr std::size_t max_key_bytes = 255;

// The same body is the same request, however it is written and in whichever order: every member but those that say only
// how the answer is to be delivered.
std::string fingerprint(const json::object& object) {
    std::map<std::string_view, const json::value*> sorted;
    for (const json::key_value_pair& member : object) {
        const std::string_view name(member.key().data(), member.key().size());
        if (name != "stream" && name != "on_disconnect" && !member.value().is_null()) sorted[name] = &member.value();
    }
    std::string text;
    for (const auto& [name, value] : sorted) {
        base::append_json_name(text, name);
        append_json_value(text, *value);
        text += ',';
    }
    return base::sha256_hex(text);
}

}  // namespace

base::Result<void> set_once_key(std::string_view key, const json::object& body, sessions::TurnRequest& request) {
    const bool is_plain = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
    if (key.empty() || key.size() > max_key_bytes || !is_plain)
        return base::fail(base::Errc::invalid_request,
                          fmt::format("'Idempotency-Key' must have 1 to {} visible ASCII characters.", max_key_bytes));
    request.once = {.key = "key " + std::string(key),
                    .fingerprint = fingerprint(body),
                    .is_fresh = false,
                    .is_automatic = false,
                    .remembered_for = std::chrono::hours(24)};
    return {};
}

base::Result<void> read_once_headers(const http::Headers& headers, const json::object& body,
                                     sessions::TurnRequest& request) {
    const auto is_key = [](const auto& field) { return http::equal_ignoring_case(field.first, "idempotency-key"); };
    if (std::ranges::count_if(headers.fields(), is_key) > 1)
        return base::fail(base::Errc::invalid_request, "'Idempotency-Key' is there twice.");
    if (const std::string* key = headers.find("idempotency-key")) return set_once_key(*key, body, request);
    const std::string_view attempt = http::trim(headers.get("x-stainless-retry-count"));
    if (attempt.empty() || attempt.size() > 4 || attempt.find_first_not_of("0123456789") != std::string_view::npos)
        return {};
    std::string same = fingerprint(body);
    request.once = {.key = "sdk " + same,
                    .fingerprint = std::move(same),
                    .is_fresh = attempt.find_first_not_of('0') == std::string_view::npos,
                    .is_automatic = true,
                    .remembered_for = std::chrono::minutes(10)};
    return {};
}

}  // namespace tertulia::api
