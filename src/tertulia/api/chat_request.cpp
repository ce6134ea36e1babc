#include "tertulia/api/chat_request.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "tertulia/api/content_request.h"
#include "tertulia/api/json_text.h"
#include "tertulia/api/once_key.h"
#include "tertulia/api/tools_request.h"
#include "tertulia/base/json.h"
#include "tertulia/base/nearest_name.h"
#include "tertulia/base/random.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/ascii.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Errc;
using base::fail;
using base::Result;

constexpr std::size_t max_model_bytes = 256;
constexpr std::int64_t max_max_tokens = 1'000'000;
constexpr std::size_t max_stops = 16;
constexpr std::size_t max_stop_bytes = 256;
constexpr std::size_t max_metadata_keys = 16;
constexpr std::size_t max_metadata_bytes = 4096;

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

std::unexpected<base::Error> wrong(std::string message) {
    return fail(Errc::invalid_request, std::move(message));
}

// -- one reader per member
// ---------------------------------------------------------------------------------------------

Result<void> read_session_id(const json::value& value, ChatRequest& request) {
    if (!value.is_string() || !base::is_session_id(view(value.get_string())))
        return wrong("'session_id' must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : - (and not . or ..).");
    request.turn.session_id = view(value.get_string());
    return {};
}

Result<void> read_stream(const json::value& value, ChatRequest& request) {
    if (!value.is_bool()) return wrong("'stream' must be true or false.");
    request.turn.stream = value.get_bool();
    return {};
}

// A date and a time of day, as we write them or as another program does (no fraction, an offset, a space for the T).
bool is_timestamp(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (!is_place(text) || text.size() < form.size()) return false;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (is_digit != (form[i] == '0')) return false;
        if (!is_digit && text[i] != form[i] && !(form[i] == 'T' && text[i] == ' ')) return false;
    }
    const auto number = [&text](std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
    return number(5) <= 12 && number(8) <= 31 && number(11) <= 24 && number(14) <= 59 && number(17) <= 60;
}

Result<void> read_parent(const json::value& value, ChatRequest& request) {
    if (!value.is_string() || !is_timestamp(view(value.get_string())))
        return wrong("'parent' must be a message's timestamp, such as 2024-11-22T10:30:00.000000Z.");
    request.turn.parent = view(value.get_string());
    return {};
}

Result<void> read_on_busy(const json::value& value, ChatRequest& request) {
    const auto what = value.is_string() ? sessions::parse_on_busy(view(value.get_string())) : std::nullopt;
    if (!what) return wrong("'on_busy' must be \"queue\", \"reject\" or \"interrupt\".");
    request.on_busy = what;
    return {};
}

Result<void> read_on_disconnect(const json::value& value, ChatRequest& request) {
    const auto what = value.is_string() ? sessions::parse_on_disconnect(view(value.get_string())) : std::nullopt;
    if (!what) return wrong("'on_disconnect' must be \"finish\" or \"cancel\".");
    request.on_disconnect = what;
    return {};
}

Result<void> read_model(const json::value& value, ChatRequest& request) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (!value.is_string() || value.get_string().empty() || value.get_string().size() > max_model_bytes ||
        std::ranges::any_of(view(value.get_string()), is_control))
        return wrong(fmt::format("'model' must be a model's name, such as \"openai/gpt-4o\", of at most {} bytes.",
                                 max_model_bytes));
    request.turn.model = std::string(view(value.get_string()));
    return {};
}

Result<void> read_system(const json::value& value, ChatRequest& request) {
    if (!value.is_string()) return wrong("'system' must be a string.");
    request.turn.system = std::string(view(value.get_string()));
    return {};
}

Result<void> read_max_tokens(const json::value& value, ChatRequest& request) {
    if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > max_max_tokens)
        return wrong(fmt::format("'max_tokens' must be a whole number from 1 to {}.", max_max_tokens));
    request.turn.max_tokens = value.get_int64();
    return {};
}

Result<void> read_temperature(const json::value& value, ChatRequest& request) {
    const double number = value.is_number() ? value.to_number<double>() : -1;
    if (!(number >= 0 && number <= 2)) return wrong("'temperature' must be a number from 0 to 2.");
    request.turn.temperature = number;
    return {};
}

Result<void> read_stop(const json::value& value, ChatRequest& request) {
    const auto take = [&request](const json::value& one) {
        if (!one.is_string() || one.get_string().empty() || one.get_string().size() > max_stop_bytes) return false;
        request.turn.stop.emplace_back(view(one.get_string()));
        return true;
    };
    const bool good = value.is_array()
                          ? value.get_array().size() <= max_stops && std::ranges::all_of(value.get_array(), take)
                          : take(value);
    if (!good)
        return wrong(fmt::format("'stop' must be a string or a list of at most {} strings, each of 1 to {} bytes.",
                                 max_stops, max_stop_bytes));
    return {};
}

Result<void> read_metadata(const json::value& value, ChatRequest& request) {
    if (!value.is_object()) return wrong("'metadata' must be an object.");
    const std::size_t keys = value.get_object().size();
    if (keys > max_metadata_keys)
        return wrong(fmt::format("'metadata' has {} keys; at most {} are kept.", keys, max_metadata_keys));
    if (!append_json_value(request.turn.metadata, value))
        return wrong("'metadata' holds a number that is out of range.");
    if (request.turn.metadata.size() > max_metadata_bytes)
        return wrong(fmt::format("'metadata' is {} bytes long as JSON; at most {} are kept.",
                                 request.turn.metadata.size(), max_metadata_bytes));
    return {};
}

Result<void> read_content_member(const json::value& value, ChatRequest& request) {
    auto content = read_content(value);
    if (!content) return std::unexpected(content.error());
    request.turn.content = *std::move(content);
    return {};
}

Result<void> read_tools_member(const json::value& value, ChatRequest& request) {
    auto tools = read_tools(value);
    if (!tools) return std::unexpected(tools.error());
    request.turn.tools = *std::move(tools);
    return {};
}

Result<void> read_tool_choice_member(const json::value& value, ChatRequest& request) {
    auto choice = read_tool_choice(value);
    if (!choice) return std::unexpected(choice.error());
    request.turn.tool_choice = *std::move(choice);
    return {};
}

struct Member {
    std::string_view name;
    Result<void> (*read)(const json::value&, ChatRequest&);
};

constexpr std::array<Member, 14> members{{
    {"session_id", read_session_id},
    {"parent", read_parent},
    {"on_busy", read_on_busy},
    {"on_disconnect", read_on_disconnect},
    {"stream", read_stream},
    {"model", read_model},
    {"system", read_system},
    {"max_tokens", read_max_tokens},
    {"temperature", read_temperature},
    {"stop", read_stop},
    {"metadata", read_metadata},
    {"content", read_content_member},
    {"tools", read_tools_member},
    {"tool_choice", read_tool_choice_member},
}};

// -- the whole
// ---------------------------------------------------------------------------------------------------------

// Null counts as absent.
const json::value* find(const json::object& object, std::string_view member) {
    const json::value* value = object.if_contains(member);
    return value && !value->is_null() ? value : nullptr;
}

bool is_message(const json::value* value) {
    return value && value->is_string() && !chat::is_blank(view(value->get_string()));
}

std::unexpected<base::Error> unknown_member(std::string_view name) {
    std::array<std::string_view, members.size() + 1> known{"message"};
    std::ranges::transform(members, known.begin() + 1, &Member::name);
    const std::string_view nearest = base::nearest_name(name, known);
    return wrong(fmt::format("Unknown field '{}'. {}", base::cut_utf8(name, 64),
                             nearest.empty() ? fmt::format("The known ones are {}.", fmt::join(known, ", "))
                                             : fmt::format("Did you mean '{}'?", nearest)));
}

bool wants_async(const http::Headers& headers) {
    std::string_view preferences = headers.get("prefer");
    while (!preferences.empty()) {
        const std::size_t end = std::min(preferences.find_first_of(",;"), preferences.size());
        if (http::is_media_type(http::trim(preferences.substr(0, end)), "respond-async")) return true;
        preferences.remove_prefix(std::min(end + 1, preferences.size()));
    }
    return false;
}

Result<void> read_headers(const http::Headers& headers, const json::object& object, ChatRequest& request) {
    request.turn.stream = request.turn.stream || accepts_event_stream(headers.get("accept"));
    request.respond_async = wants_async(headers);
    return read_once_headers(headers, object, request.turn);
}

Result<json::value> parse_object(std::string_view body) {
    Result<json::value> value = base::parse_json(body);
    if (value && !value->is_object()) return wrong("The body must be a JSON object, such as {\"message\": \"Hello\"}.");
    return value;
}

}  // namespace

bool accepts_event_stream(std::string_view accept) {
    while (!accept.empty()) {
        const std::size_t comma = std::min(accept.find(','), accept.size());
        if (http::is_media_type(http::trim(accept.substr(0, comma)), "text/event-stream")) return true;
        accept.remove_prefix(std::min(comma + 1, accept.size()));
    }
    return false;
}

bool is_place(std::string_view text) {
    return !text.empty() && text.size() <= 40 && text.find_first_not_of("0123456789TZ:.+- ") == std::string_view::npos;
}

Result<void> read_chat_members(const json::object& object, ChatRequest& request) {
    for (const json::key_value_pair& given : object) {
        const std::string_view name(given.key().data(), given.key().size());
        if (name == "message") continue;
        const auto member = std::ranges::find(members, name, &Member::name);
        if (member == members.end()) return unknown_member(name);
        if (given.value().is_null()) continue;
        if (Result<void> read = member->read(given.value(), request); !read) return read;
    }
    return check_tool_choice(request.turn.tool_choice, request.turn.tools);
}

Result<ChatRequest> read_chat_request(const json::object& object) {
    const json::value* message = find(object, "message");
    const bool has_content = find(object, "content") != nullptr;
    if (message && has_content) return wrong("Send either 'message' or 'content', not both.");
    if (!has_content && !is_message(message))
        return std::unexpected(base::Error{.code = Errc::invalid_request,
                                           .message = "Please provide a 'message' field",
                                           .title = "Missing required parameter: message"});
    ChatRequest request;
    if (message) request.turn.content = {chat::Text{std::string(view(message->get_string()))}};
    if (auto read = read_chat_members(object, request); !read) return std::unexpected(read.error());
    return request;
}

Result<ChatRequest> parse_chat_request(std::string_view body, const http::Headers& headers) {
    const Result<json::value> value = parse_object(body);
    if (!value) return std::unexpected(value.error());
    Result<ChatRequest> request = read_chat_request(value->get_object());
    if (!request) return request;
    if (auto read = read_headers(headers, value->get_object(), *request); !read) return std::unexpected(read.error());
    return request;
}

Result<ChatRequest> parse_continue_request(std::string_view body, const http::Headers& headers) {
    const Result<json::value> value = parse_object(body.empty() ? std::string_view("{}") : body);
    if (!value) return std::unexpected(value.error());
    for (const std::string_view member : {"message", "content", "session_id", "parent", "metadata", "system"})
        if (value->get_object().contains(member))
            return wrong(fmt::format("'{}' has no place here: the turn goes on from what is stored.", member));
    ChatRequest request;
    if (auto read = read_chat_members(value->get_object(), request); !read) return std::unexpected(read.error());
    if (auto read = read_headers(headers, value->get_object(), request); !read) return std::unexpected(read.error());
    return request;
}

}  // namespace tertulia::api
