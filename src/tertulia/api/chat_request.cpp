#include "tertulia/api/chat_request.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "tertulia/base/json.h"
#include "tertulia/base/nearest_name.h"
#include "tertulia/base/random.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Errc;
using base::fail;
using base::Result;
using sessions::TurnRequest;

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

Result<void> read_session_id(const json::value& value, TurnRequest& request) {
    if (!value.is_string() || !base::is_session_id(view(value.get_string())))
        return wrong("'session_id' must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : - (and not . or ..).");
    request.session_id = view(value.get_string());
    return {};
}

Result<void> read_stream(const json::value& value, TurnRequest& request) {
    if (!value.is_bool()) return wrong("'stream' must be true or false.");
    request.stream = value.get_bool();
    return {};
}

Result<void> read_model(const json::value& value, TurnRequest& request) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (!value.is_string() || value.get_string().empty() || value.get_string().size() > max_model_bytes ||
        std::ranges::any_of(view(value.get_string()), is_control))
        return wrong(fmt::format("'model' must be a model's name, such as \"openai/gpt-4o\", of at most {} bytes.",
                                 max_model_bytes));
    request.model = std::string(view(value.get_string()));
    return {};
}

Result<void> read_system(const json::value& value, TurnRequest& request) {
    if (!value.is_string()) return wrong("'system' must be a string.");
    request.system = std::string(view(value.get_string()));
    return {};
}

Result<void> read_max_tokens(const json::value& value, TurnRequest& request) {
    if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > max_max_tokens)
        return wrong(fmt::format("'max_tokens' must be a whole number from 1 to {}.", max_max_tokens));
    request.max_tokens = value.get_int64();
    return {};
}

Result<void> read_temperature(const json::value& value, TurnRequest& request) {
    const double number = value.is_number() ? value.to_number<double>() : -1;
    if (!(number >= 0 && number <= 2)) return wrong("'temperature' must be a number from 0 to 2.");
    request.temperature = number;
    return {};
}

Result<void> read_stop(const json::value& value, TurnRequest& request) {
    const auto take = [&request](const json::value& one) {
        if (!one.is_string() || one.get_string().empty() || one.get_string().size() > max_stop_bytes) return false;
        request.stop.emplace_back(view(one.get_string()));
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

// Writes a value down in our own form (Boost.JSON would write 0.1 as 1E-1). False: it holds a number beyond a double.
bool append_value(std::string& out, const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            out += "null";
            return true;
        case json::kind::bool_:
            out += value.get_bool() ? "true" : "false";
            return true;
        case json::kind::int64:
            fmt::format_to(std::back_inserter(out), "{}", value.get_int64());
            return true;
        case json::kind::uint64:
            fmt::format_to(std::back_inserter(out), "{}", value.get_uint64());
            return true;
        case json::kind::double_:
            fmt::format_to(std::back_inserter(out), "{}", value.get_double());
            return std::isfinite(value.get_double());
        case json::kind::string:
            base::append_json_string(out, view(value.get_string()));
            return true;
        case json::kind::array: {
            out += '[';
            std::string_view separator;
            for (const json::value& element : value.get_array()) {
                out += std::exchange(separator, ",");
                if (!append_value(out, element)) return false;
            }
            out += ']';
            return true;
        }
        case json::kind::object: {
            out += '{';
            std::string_view separator;
            for (const json::key_value_pair& member : value.get_object()) {
                out += std::exchange(separator, ",");
                base::append_json_string(out, {member.key().data(), member.key().size()});
                out += ':';
                if (!append_value(out, member.value())) return false;
            }
            out += '}';
            return true;
        }
    }
    return false;
}

Result<void> read_metadata(const json::value& value, TurnRequest& request) {
    if (!value.is_object()) return wrong("'metadata' must be an object.");
    const std::size_t keys = value.get_object().size();
    if (keys > max_metadata_keys)
        return wrong(fmt::format("'metadata' has {} keys; at most {} are kept.", keys, max_metadata_keys));
    if (!append_value(request.metadata, value)) return wrong("'metadata' holds a number that is out of range.");
    if (request.metadata.size() > max_metadata_bytes)
        return wrong(fmt::format("'metadata' is {} bytes long as JSON; at most {} are kept.", request.metadata.size(),
                                 max_metadata_bytes));
    return {};
}

struct Member {
    std::string_view name;
    Result<void> (*read)(const json::value&, TurnRequest&);
};

constexpr std::array<Member, 8> members{{
    {"session_id", read_session_id},
    {"stream", read_stream},
    {"model", read_model},
    {"system", read_system},
    {"max_tokens", read_max_tokens},
    {"temperature", read_temperature},
    {"stop", read_stop},
    {"metadata", read_metadata},
}};

// -- the whole
// ---------------------------------------------------------------------------------------------------------

bool is_message(const json::value* value) {
    return value && value->is_string() &&
           view(value->get_string()).find_first_not_of(" \t\r\n") != std::string_view::npos;
}

std::unexpected<base::Error> unknown_member(std::string_view name) {
    std::array<std::string_view, members.size() + 1> known{"message"};
    std::ranges::transform(members, known.begin() + 1, &Member::name);
    const std::string_view nearest = base::nearest_name(name, known);
    return wrong(fmt::format("Unknown field '{}'. {}", base::cut_utf8(name, 64),
                             nearest.empty() ? fmt::format("The known ones are {}.", fmt::join(known, ", "))
                                             : fmt::format("Did you mean '{}'?", nearest)));
}

}  // namespace

Result<TurnRequest> parse_chat_request(std::string_view body) {
    const Result<json::value> value = base::parse_json(body);
    if (!value) return std::unexpected(value.error());
    if (!value->is_object()) return wrong("The body must be a JSON object, such as {\"message\": \"Hello\"}.");
    const json::object& object = value->get_object();

    const json::value* message = object.if_contains("message");
    if (!is_message(message))
        return std::unexpected(base::Error{.code = Errc::invalid_request,
                                           .message = "Please provide a 'message' field",
                                           .title = "Missing required parameter: message"});
    TurnRequest request;
    request.message = view(message->get_string());
    for (const json::key_value_pair& given : object) {
        const std::string_view name(given.key().data(), given.key().size());
        if (name == "message") continue;
        const auto member = std::ranges::find(members, name, &Member::name);
        if (member == members.end()) return unknown_member(name);
        if (given.value().is_null()) continue;
        if (Result<void> read = member->read(given.value(), request); !read) return std::unexpected(read.error());
    }
    return request;
}

}  // namespace tertulia::api
