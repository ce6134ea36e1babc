#include "tertulia/http/request_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/http/ascii.h"
#include "tertulia/http/body_gate.h"
#include "tertulia/http/percent.h"

namespace tertulia::http {
namespace {

std::unexpected<base::Error> refuse(int status, std::string message) {
    const auto code = status == 413 || status == 431 ? base::Errc::too_large : base::Errc::invalid_request;
    return std::unexpected(base::Error{.code = code, .message = std::move(message), .status = status});
}

constexpr std::size_t max_method = 32;
// A buffer is only reserved for this much of a body that is announced: memory follows the bytes that really come.
constexpr std::size_t max_reserve = 64 * 1024;

}  // namespace

base::Error body_too_long(std::size_t limit) {
    return refuse(413, fmt::format("The body must not be longer than {} bytes.", limit)).error();
}

base::Result<RequestParser::Step> RequestParser::feed(std::string_view& bytes) {
    if (state_ == State::head) return feed_head(bytes);
    if (state_ == State::length_body) {
        if (auto fits = check_length(); !fits) return std::unexpected(std::move(fits.error()));
        const std::string_view piece = bytes.substr(0, body_left_);
        if (auto added = add_to_body(piece); !added) return std::unexpected(std::move(added.error()));
        bytes.remove_prefix(piece.size());
        body_left_ -= piece.size();
        if (body_left_ > 0) return Step::need_more;
        state_ = State::complete;
    } else if (state_ == State::chunked_body) {
        for (;;) {
            const auto piece = chunks_.next(bytes);
            if (!piece) return refuse(400, piece.error().message);
            if (piece->empty()) break;
            if (piece->size() > body_limit() - request_.body.size()) return std::unexpected(body_too_large().error());
            if (auto added = add_to_body(*piece); !added) return std::unexpected(std::move(added.error()));
        }
        if (!chunks_.is_complete()) return Step::need_more;
        state_ = State::complete;
    }
    return Step::complete;
}

Request RequestParser::take() {
    Request request = std::move(request_);
    next();
    return request;
}

void RequestParser::next() {
    request_ = Request();
    body_left_ = 0;
    state_ = State::head;
    scanner_.reset();
}

base::Result<RequestParser::Step> RequestParser::feed_head(std::string_view& bytes) {
    for (;;) {
        const std::size_t before = pending_.size();
        if (bytes.empty()) return Step::need_more;
        // A head that comes whole is read where it is.
        std::string_view head = bytes.substr(0, limits_.head + 1);
        if (before > 0) {
            pending_ += bytes.substr(0, limits_.head + 1 - before);
            head = pending_;
        }
        const auto found = scanner_.scan(head);
        if (found == HeadScanner::State::bare_line_feed)
            return refuse(400, "Lines of a request's head must end with CR LF.");
        if (found == HeadScanner::State::need_more && head.size() <= limits_.head) {
            if (before == 0) pending_ = head;
            bytes = {};
            return Step::need_more;
        }
        const std::size_t size = scanner_.size();
        if (size > limits_.head)
            return refuse(431, fmt::format("A request's head must not be longer than {} bytes.", limits_.head));
        if (size == 2) {  // an empty line before a request is skipped (RFC 9112 2.2)
            bytes.remove_prefix(size - before);
            pending_.clear();
            scanner_.reset();
            continue;
        }
        if (auto parsed = parse_head(head.substr(0, size)); !parsed) return std::unexpected(std::move(parsed.error()));
        bytes.remove_prefix(size - before);
        std::string().swap(pending_);
        return Step::head;
    }
}

base::Result<void> RequestParser::parse_head(std::string_view head) {
    head.remove_suffix(2);
    if (auto line = parse_request_line(take_line(head)); !line) return line;
    if (auto fields = parse_fields(head, limits_.fields, request_.headers); !fields) return fields;
    if (auto host = check_host(std::move(absolute_authority_)); !host) return host;

    const auto framing = parse_framing(request_.headers);
    if (!framing) return std::unexpected(framing.error());
    if (framing->chunked && minor_version_ == 0) return refuse(400, "HTTP/1.0 has no chunked bodies.");

    const std::string* expect = request_.headers.find("expect");
    if (expect && !equal_ignoring_case(*expect, "100-continue"))
        return refuse(417, "The only expectation that is understood here is 100-continue.");
    const bool has_body = framing->chunked || framing->length > 0;
    expects_continue_ = expect && has_body && minor_version_ == 1;
    keep_alive_ = !list_has(request_.headers, "connection", "close") &&
                  (minor_version_ == 1 || list_has(request_.headers, "connection", "keep-alive"));

    if (framing->chunked) {
        chunks_ = ChunkedDecoder();
        state_ = State::chunked_body;
    } else if (has_body) {
        body_left_ = framing->length;
        request_.body.reserve(std::min(body_left_, max_reserve));
        state_ = State::length_body;
    } else {
        state_ = State::complete;
    }
    return {};
}

base::Result<void> RequestParser::parse_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return refuse(400, "The request line is malformed.");
    const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
    if (!is_token(method) || method.size() > max_method) return refuse(400, "The request's method is malformed.");
    const bool well_formed = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                             version[5] >= '0' && version[5] <= '9' && version[7] >= '0' && version[7] <= '9';
    if (!well_formed) return refuse(400, "The request line is malformed.");
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return refuse(505, "Use HTTP/1.1.");
    minor_version_ = version[7] - '0';
    request_.method = method;
    return parse_target(line.substr(first + 1, last - first - 1), absolute_authority_);
}

base::Result<void> RequestParser::parse_target(std::string_view target, std::string& absolute_authority) {
    absolute_authority.clear();
    if (target.empty() || !std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; }))
        return refuse(400, "The request's target is malformed.");
    if (target == "*" && request_.method == "OPTIONS") {
        request_.target = request_.path = "*";
        return {};
    }
    // The absolute form, as for a proxy, must be understood too (RFC 9112 3.2.2).
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
        target.remove_prefix(scheme.size());
        const std::size_t end = std::min(target.find_first_of("/?"), target.size());
        absolute_authority = target.substr(0, end);
        if (absolute_authority.empty()) return refuse(400, "The request's target is malformed.");
        target.remove_prefix(end);
        request_.target = target.starts_with('/') ? "" : "/";
        break;
    }
    request_.target += target;
    if (!request_.target.starts_with('/')) return refuse(400, "The request's target must begin with a slash.");
    auto path = percent_decode(std::string_view(request_.target).substr(0, request_.target.find('?')));
    if (!path) return refuse(400, "The request's path is not percent-encoded correctly.");
    request_.path = std::move(*path);
    return {};
}

base::Result<void> RequestParser::check_host(std::string absolute_authority) {
    std::size_t hosts = 0;
    for (const auto& [name, value] : request_.headers.fields()) {
        if (!equal_ignoring_case(name, "host")) continue;
        if (++hosts > 1) return refuse(400, "Host is given more than once.");
        if (value.find_first_of(" \t,/?#@") != std::string::npos) return refuse(400, "Host is malformed.");
    }
    if (hosts == 0 && minor_version_ == 1) return refuse(400, "HTTP/1.1 needs a Host header field.");
    if (absolute_authority.empty()) return {};
    // What the target says replaces the field (RFC 9112 3.2.2).
    if (absolute_authority.find('@') != std::string::npos) return refuse(400, "The request's target is malformed.");
    Headers headers;
    headers.add("Host", std::move(absolute_authority));
    for (const auto& [name, value] : request_.headers.fields())
        if (!equal_ignoring_case(name, "host")) headers.add(name, value);
    request_.headers = std::move(headers);
    return {};
}

std::size_t RequestParser::body_limit() const {
    return request_.body_gate ? request_.body_gate->limit() : limits_.body;
}

base::Result<void> RequestParser::check_length() const {
    if (request_.body.size() + body_left_ > body_limit()) return body_too_large();
    return {};
}

base::Result<void> RequestParser::add_to_body(std::string_view piece) {
    if (request_.body_gate && !piece.empty()) {
        if (auto taken = request_.body_gate->take(piece); !taken) return taken;
        // So large that growing step by step would hold much of it twice.
        const std::size_t whole = request_.body.size() + body_left_;
        if (request_.body.size() + piece.size() > limits_.body && request_.body.capacity() < whole)
            request_.body.reserve(whole);
    }
    request_.body += piece;
    return {};
}

base::Result<void> RequestParser::body_too_large() const {
    return std::unexpected(body_too_long(body_limit()));
}

}  // namespace tertulia::http
