#include "tertulia/cli/conversation.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "tertulia/base/json.h"

namespace tertulia::cli {
namespace {

constexpr std::chrono::minutes patience{3};
// Heartbeats come every few seconds: a stream that is silent for so long is dead.
constexpr std::chrono::seconds silence{60};
constexpr std::chrono::seconds short_request{10};
constexpr std::size_t body_limit = 1 << 20;
// A lost connection must not end the turn, whatever the server's own default is.
constexpr std::string_view how = R"("stream":true,"on_disconnect":"finish","on_busy":"queue")";
constexpr std::string_view newest = "9999-12-31T23:59:59.999999Z";

std::string text_of(const boost::json::value& value, std::string_view name) {
    const auto* object = value.if_object();
    const auto* found = object ? object->if_contains(name) : nullptr;
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

// The server is starting or stopping, or it is a proxy that speaks, before a server that is not there.
bool may_mend(int status, std::string_view body) {
    if (status < 502 || status > 504) return false;
    const auto parsed = base::parse_json(body);
    return !parsed || text_of(*parsed, "code").empty() || text_of(*parsed, "code") == "unavailable";
}

}  // namespace

base::Milliseconds retry_pause(int failures) {
    constexpr base::Milliseconds first{250}, longest{5000};
    return failures > 4 ? longest : std::min(longest, first * (1 << failures));
}

Conversation::Conversation(Parts parts, Place place)
    : parts_(parts), place_(std::move(place)), waiter_(async::Waiter::make(parts.executor)) {}

http::ClientRequest Conversation::request(std::string method, const std::string& path, std::string body) const {
    auto url = http::parse_url(place_.url + path);
    http::ClientRequest request{.url = url ? *std::move(url) : http::Url{},
                                .method = std::move(method),
                                .headers = {},
                                .body = std::move(body)};
    if (!request.body.empty()) request.headers.add("content-type", "application/json");
    if (!place_.token.empty()) request.headers.add("authorization", "Bearer " + place_.token.reveal());
    return request;
}

std::string Conversation::turn_path() const {
    return fmt::format("/sessions/{}/turns/{}", place_.session_id, turn_id_);
}

http::ClientRequest Conversation::resumption() const {
    http::ClientRequest asked = request("GET", turn_path() + "/events");
    if (!last_event_id_.empty()) asked.headers.add("last-event-id", last_event_id_);
    return asked;
}

async::Task<bool> Conversation::send(std::string message) {
    std::string body = fmt::format(R"({{{},"message":)", how);
    base::append_json_string(body, message);
    if (!place_.session_id.empty()) {
        body += R"(,"session_id":)";
        base::append_json_string(body, place_.session_id);
    }
    if (!place_.model.empty()) {
        body += R"(,"model":)";
        base::append_json_string(body, place_.model);
    }
    http::ClientRequest asked = request("POST", "/chat", body + '}');
    asked.headers.add("accept", "text/event-stream");
    turn_id_.clear();
    parts_.screen.begin();
    co_return co_await follow(std::move(asked));
}

async::Task<bool> Conversation::go_on() {
    if (unfinished_.empty()) co_await look();
    if (unfinished_.empty()) {
        parts_.screen.note("there is no unfinished answer to go on with");
        co_return true;
    }
    http::ClientRequest asked =
        request("POST", fmt::format("/sessions/{}/turns/{}/continue", place_.session_id, unfinished_),
                fmt::format("{{{}}}", how));
    turn_id_.clear();
    parts_.screen.begin_again();
    co_return co_await follow(std::move(asked));
}

async::Task<void> Conversation::catch_up() {
    turn_id_.clear();
    co_await look();
    if (!turn_id_.empty()) {
        parts_.screen.note("the answer that is being written:");
        parts_.screen.begin();
        co_await follow(resumption());
    } else if (!unfinished_.empty()) {
        parts_.screen.note("the last answer is not whole; /continue goes on with it");
    }
}

// The session's end: which turn runs, or whose answer is not whole.
async::Task<void> Conversation::look() {
    if (!base::is_session_id(place_.session_id)) co_return;
    auto response = co_await parts_.client.send(
        request("GET", fmt::format("/sessions/{}/messages?limit=1&before={}", place_.session_id, newest)), {},
        base::Deadline::after(short_request));
    if (!response || (*response)->status != 200) co_return;  // the next message tells what is wrong
    reached_ = true;
    const auto page = base::parse_json(co_await read_body(**response));
    if (!page || !page->is_object()) co_return;
    turn_id_ = text_of(*page, "running");
    const auto* messages = page->as_object().if_contains("messages");
    if (!turn_id_.empty() || !messages || !messages->is_array() || messages->as_array().empty()) co_return;
    const boost::json::value& last = messages->as_array().back();
    if (text_of(last, "role") == "assistant" && text_of(last, "state") != "completed")
        unfinished_ = text_of(last, "turn_id");
}

async::Task<bool> Conversation::follow(http::ClientRequest first) {
    if (first.method == "POST") first.headers.add("idempotency-key", base::make_id('k', parts_.random));
    last_event_id_.clear();
    started_ = !turn_id_.empty();
    stop_ = {};
    following_ = true;
    interrupts_ = 0;
    base::Deadline give_up = base::Deadline::after(patience);
    for (int failures = 0;;) {
        const std::string before = last_event_id_;
        const Step step = co_await exchange(started_ ? resumption() : first);
        if (step == Step::over || stop_.stop_requested()) break;
        if (last_event_id_ != before) {
            failures = 0;
            give_up = base::Deadline::after(patience);
        }
        if (!reached_ || give_up.passed(std::chrono::steady_clock::now())) {
            parts_.screen.fail(problem_ + "\nIs the server running at " + place_.url + "? (`./dev run` starts one.)");
            break;
        }
        if (failures == 0) parts_.screen.note("the connection is lost; trying again ...");
        co_await waiter_->wait(base::Deadline::after(retry_pause(failures++)));
    }
    following_ = false;
    if (stop_.stop_requested() && !parts_.screen.over())
        parts_.screen.fail(turn_id_.empty() ? "left before the server had answered"
                                            : "left; the server goes on with this answer");
    const bool whole = parts_.screen.end();
    unfinished_ = whole || !started_ ? std::string() : turn_id_;
    if (!unfinished_.empty() && !left_) parts_.screen.note("/continue goes on with this answer");
    co_return whole;
}

async::Task<Conversation::Step> Conversation::exchange(http::ClientRequest request) {
    auto response = co_await parts_.client.send(std::move(request), stop_.get_token(), base::Deadline::after(silence));
    if (!response) {
        problem_ = response.error().message;
        co_return Step::broken;
    }
    const int status = (*response)->status;
    if (status == 200) {
        reached_ = true;
        co_return co_await read_events(**response);
    }
    const std::string body = co_await read_body(**response);
    problem_ = fmt::format("the server answered with status {}", status);
    if (may_mend(status, body)) co_return Step::broken;
    reached_ = true;
    if (const auto parsed = base::parse_json(body); parsed && place_.session_id.empty())
        place_.session_id = text_of(*parsed, "session_id");
    parts_.screen.on_error_body(status, body);
    co_return Step::over;
}

async::Task<Conversation::Step> Conversation::read_events(http::ClientResponse& response) {
    http::SseParser parser;
    while (!parts_.screen.over()) {
        const auto bytes = co_await response.read(base::Deadline::after(silence));
        if (!bytes || bytes->empty()) {
            problem_ = bytes ? "the connection ended before the answer did" : bytes.error().message;
            co_return Step::broken;
        }
        if (!parser.feed(*bytes, [this](const http::SseEvent& event) { on_event(event); })) {
            parts_.screen.fail("the server sent an event that is too long");
            break;
        }
    }
    co_return Step::over;
}

void Conversation::on_event(const http::SseEvent& event) {
    last_event_id_ = event.last_event_id;
    if (event.type == "turn.started" || event.type == "turn.queued") {
        if (const auto data = base::parse_json(event.data)) {
            turn_id_ = text_of(*data, "turn_id");
            place_.session_id = text_of(*data, "session_id");
        }
        started_ = event.type == "turn.started" && !turn_id_.empty();
    }
    parts_.screen.on_event(event.type, event.data);
}

async::Task<std::string> Conversation::read_body(http::ClientResponse& response) {
    std::string body;
    while (body.size() < body_limit) {
        const auto bytes = co_await response.read(base::Deadline::after(short_request));
        if (!bytes || bytes->empty()) break;
        body += *bytes;
    }
    co_return body;
}

bool Conversation::interrupt() {
    if (!following_) return false;
    if (interrupts_++ == 0 && !turn_id_.empty()) {
        parts_.tasks.spawn(cancel());
        return true;
    }
    left_ = interrupts_ > 1;
    stop_.request_stop();
    waiter_->wake();
    return true;
}

// The turn's own stream shows its end.
async::Task<void> Conversation::cancel() {
    auto response =
        co_await parts_.client.send(request("POST", turn_path() + "/cancel"), {}, base::Deadline::after(short_request));
    if (!response)
        parts_.screen.note("it could not be cancelled: " + response.error().message);
    else if ((*response)->status != 200 && (*response)->status != 409)
        parts_.screen.note(fmt::format("it could not be cancelled: status {}", (*response)->status));
}

}  // namespace tertulia::cli
