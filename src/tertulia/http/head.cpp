#include "tertulia/http/head.h"

#include <fmt/format.h>

#include <charconv>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

std::unexpected<base::Error> malformed(std::string message) {
    return std::unexpected(
        base::Error{.code = base::Errc::invalid_request, .message = std::move(message), .status = 400});
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view head) {
    for (;;) {
        const std::size_t end = head.find('\n', at_);
        if (end == std::string_view::npos) {
            at_ = head.size();
            return State::need_more;
        }
        if (end == 0 || head[end - 1] != '\r') return State::bare_line_feed;
        at_ = end + 1;
        if (end - line_ == 1) return State::found;
        line_ = at_;
    }
}

std::string_view take_line(std::string_view& lines) {
    const std::size_t end = lines.find("\r\n");
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
    return line;
}

base::Result<void> parse_fields(std::string_view lines, std::size_t max_fields, Headers& into) {
    for (std::size_t count = 0; !lines.empty(); ++count) {
        if (count == max_fields)
            return std::unexpected(base::Error{.code = base::Errc::too_large,
                                               .message = fmt::format("Send at most {} header fields.", max_fields),
                                               .status = 431});
        const std::string_view line = take_line(lines);
        if (line.starts_with(' ') || line.starts_with('\t'))
            return malformed("A header field must not be folded over several lines.");
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return malformed("A header field has no colon.");
        const std::string_view name = line.substr(0, colon);
        if (!is_token(name)) return malformed("The name of a header field is malformed.");
        const std::string_view value = trim(line.substr(colon + 1));
        if (!is_field_value(value)) return malformed("The value of a header field holds a control character.");
        into.add(std::string(name), std::string(value));
    }
    return {};
}

base::Result<Framing> parse_framing(const Headers& headers) {
    Framing framing;
    const std::string* coding = nullptr;
    for (const auto& [name, value] : headers.fields()) {
        if (equal_ignoring_case(name, "content-length")) {
            if (framing.has_length) return malformed("Content-Length is given more than once.");
            // 18 digits cannot overflow, and nothing is that long.
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), framing.length);
            if (value.empty() || value.size() > 18 || error != std::errc() || end != value.data() + value.size())
                return malformed("Content-Length is not a number.");
            framing.has_length = true;
        } else if (equal_ignoring_case(name, "transfer-encoding")) {
            if (coding) return malformed("Transfer-Encoding is given more than once.");
            coding = &value;
        }
    }
    if (!coding) return framing;
    if (framing.has_length) return malformed("Content-Length and Transfer-Encoding must not both be given.");
    if (!equal_ignoring_case(*coding, "chunked"))
        return std::unexpected(base::Error{.code = base::Errc::invalid_request,
                                           .message = "The only transfer coding that is understood here is chunked.",
                                           .status = 501});
    framing.chunked = true;
    return framing;
}

bool list_has(const Headers& headers, std::string_view name, std::string_view item) {
    for (const auto& [field, value] : headers.fields()) {
        if (!equal_ignoring_case(field, name)) continue;
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(','), rest.size());
            if (equal_ignoring_case(trim(rest.substr(0, end)), item)) return true;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return false;
}

}  // namespace tertulia::http
