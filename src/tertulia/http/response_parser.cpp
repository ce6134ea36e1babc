#include "tertulia/http/response_parser.h"

#include <fmt/format.h>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

constexpr std::size_t max_fields = 256;
constexpr int max_interim = 16;  // an endless row of them is no announcement but an attack

std::unexpected<base::Error> broken(std::string_view what) {
    return base::fail(base::Errc::upstream_unavailable, fmt::format("The other server's answer is broken: {}", what));
}

}  // namespace

base::Result<bool> ResponseParser::feed_head(std::string_view& bytes) {
    while (!has_head_) {
        const std::size_t before = pending_.size();
        if (bytes.empty()) return false;
        std::string_view head = bytes.substr(0, head_limit_ + 1);
        if (before > 0) {
            pending_ += bytes.substr(0, head_limit_ + 1 - before);
            head = pending_;
        }
        const auto found = scanner_.scan(head);
        if (found == HeadScanner::State::bare_line_feed)
            return broken("its head has lines that do not end with CR LF.");
        if (found == HeadScanner::State::need_more && head.size() <= head_limit_) {
            if (before == 0) pending_ = head;
            bytes = {};
            return false;
        }
        const std::size_t size = scanner_.size();
        if (size > head_limit_) return broken(fmt::format("its head is longer than {} bytes.", head_limit_));
        headers_.clear();
        if (auto parsed = parse_head(head.substr(0, size)); !parsed) return broken(parsed.error().message);
        bytes.remove_prefix(size - before);
        pending_.clear();
        scanner_.reset();
        // 101 is never asked for; the others announce that the answer follows.
        if (status_ == 101) return broken("it changes the protocol.");
        has_head_ = status_ >= 200;
        if (!has_head_ && ++interim_ > max_interim)
            return broken(fmt::format("more than {} interim answers come before it.", max_interim));
    }
    return true;
}

base::Result<void> ResponseParser::parse_head(std::string_view head) {
    const auto malformed = [] { return base::fail(base::Errc::upstream_unavailable, "the status line is malformed."); };
    head.remove_suffix(2);
    const std::string_view line = take_line(head);
    if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) ||
        (line.size() > 12 && line[12] != ' '))
        return malformed();
    status_ = 0;
    for (const char c : line.substr(9, 3)) {
        if (c < '0' || c > '9') return malformed();
        status_ = status_ * 10 + (c - '0');
    }
    if (status_ < 100) return malformed();
    if (auto fields = parse_fields(head, max_fields, headers_); !fields) return fields;
    if (status_ < 200) return {};

    auto framing = parse_framing(headers_);
    if (!framing) return std::unexpected(std::move(framing.error()));
    framing_ = *framing;
    keep_alive_ = !list_has(headers_, "connection", "close") &&
                  (line[7] == '1' || list_has(headers_, "connection", "keep-alive"));
    body_left_ = framing_.length;
    if (to_head_ || status_ == 204 || status_ == 304)
        complete_ = true;
    else if (framing_.has_length)
        complete_ = body_left_ == 0;
    else if (!framing_.chunked)
        keep_alive_ = false;  // the body ends with the connection
    return {};
}

base::Result<std::string_view> ResponseParser::next_body(std::string_view& bytes) {
    if (complete_) return std::string_view();
    if (framing_.chunked) {
        auto piece = chunks_.next(bytes);
        if (!piece) return broken(piece.error().message);
        complete_ = chunks_.is_complete();
        return piece;
    }
    const std::string_view piece = framing_.has_length ? bytes.substr(0, body_left_) : bytes;
    bytes.remove_prefix(piece.size());
    if (framing_.has_length) {
        body_left_ -= piece.size();
        complete_ = body_left_ == 0;
    }
    return piece;
}

base::Result<void> ResponseParser::end_of_input() {
    if (complete_) return {};
    if (!has_head_) return broken("the connection was closed before its head was there.");
    if (framing_.chunked || framing_.has_length) return broken("it was cut short.");
    complete_ = true;
    return {};
}

}  // namespace tertulia::http
