#include "tertulia/api/json_text.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <utility>

#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

}  // namespace

bool append_json_value(std::string& out, const json::value& value) {
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
                if (!append_json_value(out, element)) return false;
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
                if (!append_json_value(out, member.value())) return false;
            }
            out += '}';
            return true;
        }
    }
    return false;
}

void append_compact_json(std::string& out, std::string_view json) {
    bool is_in_string = false, is_escaped = false;
    for (const char c : json) {
        if (!is_in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) continue;
        out += c;
        if (is_escaped)
            is_escaped = false;
        else if (c == '\\')
            is_escaped = is_in_string;
        else if (c == '"')
            is_in_string = !is_in_string;
    }
}

}  // namespace tertulia::api
