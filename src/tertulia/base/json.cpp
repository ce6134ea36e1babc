#include "tertulia/base/json.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/src.hpp>
#include <cstdint>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "tertulia/base/utf8.h"

namespace tertulia::base {
namespace {

namespace json = boost::json;

constexpr std::size_t max_nesting = 32;

// Finds what Boost.JSON lets pass: of duplicate keys it silently keeps the last, and a lone surrogate written as \uD800
// is an error for it already, but its offset is not told. The reader keeps the keys of every open object.
class DuplicateFinder {
  public:
    struct handler {
        constexpr static std::size_t max_object_size = std::size_t(-1);
        constexpr static std::size_t max_array_size = std::size_t(-1);
        constexpr static std::size_t max_key_size = std::size_t(-1);
        constexpr static std::size_t max_string_size = std::size_t(-1);

        std::vector<std::unordered_set<std::string>> open = {};
        std::string key = {};
        bool duplicate = false;

        bool on_document_begin(json::error_code&) { return true; }
        bool on_document_end(json::error_code&) { return true; }
        bool on_object_begin(json::error_code&) {
            open.emplace_back();
            return true;
        }
        bool on_object_end(std::size_t, json::error_code&) {
            open.pop_back();
            return true;
        }
        bool on_array_begin(json::error_code&) { return true; }
        bool on_array_end(std::size_t, json::error_code&) { return true; }
        bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
            key.append(part.data(), part.size());
            return true;
        }
        bool on_key(json::string_view part, std::size_t, json::error_code& error) {
            key.append(part.data(), part.size());
            if (!open.back().insert(key).second) {
                duplicate = true;
                error = json::error::extra_data;  // any error stops the parser; `duplicate` says which it was
                return false;
            }
            key.clear();
            return true;
        }
        bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
        bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
        bool on_number_part(json::string_view, json::error_code&) { return true; }
        bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
        bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
        bool on_double(double, json::string_view, json::error_code&) { return true; }
        bool on_bool(bool, json::error_code&) { return true; }
        bool on_null(json::error_code&) { return true; }
        bool on_comment_part(json::string_view, json::error_code&) { return true; }
        bool on_comment(json::string_view, json::error_code&) { return true; }
    };
};

std::unexpected<Error> malformed(std::string_view what, std::size_t offset) {
    return fail(Errc::invalid_request, fmt::format("The body is not valid JSON: {} at byte {}.", what, offset));
}

// How many bytes at the beginning of `text` stand in a JSON string as they are.
std::size_t plain_prefix(std::string_view text) {
    static constexpr auto plain = [] {
        std::array<bool, 256> table{};
        for (std::size_t i = 0x20; i < 256; ++i) table[i] = i != '"' && i != '\\';
        return table;
    }();
    // Eight bytes at a time: the highest bit of a byte is set where it is below 0x20, a quote or a backslash (the
    // lowest such byte is found for certain, and where there is none, nothing is).
    constexpr std::uint64_t each = 0x0101010101010101, high = 0x8080808080808080;
    std::size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + i, 8);
        const std::uint64_t quote = word ^ each * '"', backslash = word ^ each * '\\';
        const std::uint64_t special =
            ((word - each * 0x20) & ~word) | ((quote - each) & ~quote) | ((backslash - each) & ~backslash);
        if (special & high) break;
    }
    while (i < text.size() && plain[static_cast<unsigned char>(text[i])]) ++i;
    return i;
}

}  // namespace

Result<json::value> parse_json(std::string_view text) {
    if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos)
        return fail(Errc::invalid_request, fmt::format("The body is not valid UTF-8 at byte {}.", bad));
    json::parse_options options;
    options.max_depth = max_nesting;
    {
        json::basic_parser<DuplicateFinder::handler> finder(options);
        json::error_code error;
        const std::size_t read = finder.write_some(false, text.data(), text.size(), error);
        if (finder.handler().duplicate)
            return malformed("the key \"" + finder.handler().key + "\" appears twice", read);
        if (!error && read < text.size()) return malformed("something follows the value", read);
        if (error) return malformed(error.message(), read);
    }
    json::error_code error;
    json::parser parser({}, options);
    const std::size_t read = parser.write(text.data(), text.size(), error);
    if (error) return malformed(error.message(), read);
    return parser.release();
}

void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (;;) {
        const std::size_t size = plain_prefix(text);
        out.append(text, 0, size);
        if (size == text.size()) break;
        const auto c = static_cast<unsigned char>(text[size]);
        text.remove_prefix(size + 1);
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                out += "\\u00";
                out += digits[c >> 4];
                out += digits[c & 15];
        }
    }
    out += '"';
}

}  // namespace tertulia::base
