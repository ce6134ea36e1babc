// JSON helpers: strict validation of what comes from outside, and fast writing of what goes out.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::base {

/// Parses a whole text, strictly (RFC 8259): one value and nothing after it, valid UTF-8, no duplicate keys, no lone
/// surrogates, nesting of at most 32. The error's message says what is wrong and at which byte offset; its code is
/// invalid_request.
Result<boost::json::value> parse_json(std::string_view text);

/// Appends `text` as a JSON string, with its quotes. `text` is valid UTF-8 (parse_json and the provider readers see to
/// it). `<`, `>` and U+2028 stay as they are: the output is JSON, not script.
void append_json_string(std::string& out, std::string_view text);

/// Appends `"name":` for a name that needs no escaping.
inline void append_json_name(std::string& out, std::string_view name) {
    out += '"';
    out += name;
    out += "\":";
}

}  // namespace tertulia::base
