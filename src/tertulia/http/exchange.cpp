#include "tertulia/http/exchange.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

void add_field(std::string& head, std::string_view name, std::string_view value) {
    // A handler that lets a line end into a field would let its client write the answer's head.
    if (!is_token(name) || !is_field_value(value))
        throw std::invalid_argument(fmt::format("the header field {} is malformed", name));
    head.append(name).append(": ").append(value).append("\r\n");
}

bool has_no_body(int status) {
    return status < 200 || status == 204 || status == 304;
}

}  // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 402:
            return "Payment Required";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "";
    }
}

std::string Exchange::head(Response& response, bool has_length) {
    ServerCore& core = connection_.core();
    if (request_ && core.options.decorate) core.options.decorate(*request_, response);
    if (core.draining) keep_alive_ = false;
    if (!has_length && http_1_0_) keep_alive_ = false;  // such a body ends with the connection
    status_ = response.status;

    std::string head;  // by hand: each answer has one, and fmt takes several times as long
    head.reserve(512);
    head.append("HTTP/1.1 ")
        .append(std::to_string(response.status))
        .append(" ")
        .append(reason_phrase(response.status))
        .append("\r\nDate: ")
        .append(core.date())
        .append("\r\n");
    if (!response.content_type.empty()) add_field(head, "Content-Type", response.content_type);
    for (const auto& [name, value] : response.headers.fields()) add_field(head, name, value);
    if (!has_no_body(response.status)) {
        if (has_length)
            head.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
        else if (!http_1_0_)
            head += "Transfer-Encoding: chunked\r\n";
    }
    // RFC 9110 15.5.22; there is one protocol that this server can be upgraded to.
    if (response.status == 426) head += "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n";
    if (response.status == 101)
        keep_alive_ = false;  // no more requests; but this is not to be said
    else if (!keep_alive_)
        head += "Connection: close\r\n";
    else if (http_1_0_)
        head += "Connection: keep-alive\r\n";
    head += "\r\n";
    return head;
}

bool Exchange::settle(bool sent, State next) {
    state_ = sent ? next : State::broken;
    return sent;
}

async::Task<bool> Exchange::respond(Response response) {
    if (state_ != State::fresh) co_return false;
    const std::string head_text = head(response, true);
    std::string_view body = response.body;
    if (to_head_ || has_no_body(response.status)) body = {};
    state_ = State::broken;  // until it is sent
    body_bytes_ = body.size();
    const std::array<std::string_view, 2> parts{head_text, body};
    co_return settle(co_await connection_.send(parts), State::done);
}

async::Task<bool> Exchange::start_stream(Response response) {
    if (state_ != State::fresh) co_return false;
    const std::string head_text = head(response, false);
    if (request_) request_->headers = {};
    state_ = State::broken;
    const std::string_view body = to_head_ ? std::string_view() : response.body;
    body_bytes_ = body.size();
    const bool chunk = !body.empty() && !http_1_0_;
    const std::string size = chunk ? fmt::format("{:x}\r\n", body.size()) : std::string();
    const std::array<std::string_view, 4> parts{head_text, size, body, chunk ? "\r\n" : ""};
    const bool sent = co_await connection_.send(parts);
    if (to_head_) {
        settle(sent, State::done);
        co_return false;
    }
    co_return settle(sent, State::streaming);
}

async::Task<Connection*> Exchange::take_over(Response response) {
    if (state_ != State::fresh) co_return nullptr;
    connection_.watch_close({});  // it would take bytes that are no longer its own
    const std::string head_text = head(response, false);
    state_ = State::broken;
    const std::array<std::string_view, 1> parts{head_text};
    const bool sent = settle(co_await connection_.send(parts), State::done);
    connection_.report(*request_, *this);  // now: the connection may live for days
    co_return sent ? &connection_ : nullptr;
}

async::Task<bool> Exchange::write(std::string_view bytes) {
    if (state_ != State::streaming) co_return false;
    if (bytes.empty()) co_return true;
    body_bytes_ += bytes.size();
    std::array<char, 20> size;
    const auto size_end = fmt::format_to(size.data(), "{:x}\r\n", bytes.size());
    std::array<std::string_view, 3> parts{std::string_view(size.data(), size_end), bytes, "\r\n"};
    if (http_1_0_) parts = {bytes, "", ""};
    co_return settle(co_await connection_.send(parts), State::streaming);
}

async::Task<bool> Exchange::finish() {
    if (state_ != State::streaming) co_return false;
    if (http_1_0_) co_return settle(true, State::done);
    const std::array<std::string_view, 1> parts{"0\r\n\r\n"};
    co_return settle(co_await connection_.send(parts), State::done);
}

async::Task<bool> Exchange::finish_with(Headers trailers) {
    if (state_ != State::streaming) co_return false;
    if (!takes_trailers()) co_return co_await finish();
    std::string end = "0\r\n";
    for (const auto& [name, value] : trailers.fields()) add_field(end, name, value);
    end += "\r\n";
    const std::array<std::string_view, 1> parts{end};
    co_return settle(co_await connection_.send(parts), State::done);
}

}  // namespace tertulia::http
