#include "tertulia/api/socket_session.h"

#include "tertulia/api/answer_json.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/socket_frames.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

base::Error too_many() {
    return {.code = base::Errc::unavailable,
            .message = "Too much is sent over this socket at once; wait for an answer, or open another one.",
            .retry_after = base::Milliseconds(1000)};
}

}  // namespace

void SocketSession::spawn(async::Task<void> task) {
    tasks_.spawn(to_its_end(std::move(task)));
}

async::Task<void> SocketSession::to_its_end(async::Task<void> task) {
    co_await std::move(task);
    close_if_drained(tasks_.size() - 1);
}

async::Task<void> SocketSession::run() {
    socket_->on_stop([this] { drain(); });
    while (true) {
        auto message = co_await socket_->read(base::Deadline::never());
        if (!message) break;
        co_await take(*std::move(message));
    }
    socket_->on_stop(nullptr);
    stop();
    co_await tasks_.join(base::Deadline::never());
}

void SocketSession::drain() {
    is_draining_ = true;
    for (const auto& [id, feed] : feeds_) feed->stop_after_turn();
    close_if_drained(tasks_.size());
}

void SocketSession::close_if_drained(std::size_t running) {
    if (is_draining_ && running == 0) socket_->close(http::CloseCode::going_away, "The server stops.");
}

void SocketSession::stop() {
    is_stopped_ = true;
    for (sessions::TurnReader* reader : readers_) reader->stop();
    for (const auto& [id, feed] : feeds_) feed->stop();
}

async::Task<void> SocketSession::serve(std::string message) {
    co_await take(std::move(message));
    co_await tasks_.join(base::Deadline::never());
}

async::Task<void> SocketSession::serve(sessions::TurnReader reader, std::string client_id) {
    co_await send_turn(std::move(reader), std::move(client_id), false);
}

async::Task<void> SocketSession::take(std::string text) {
    std::string client_id;
    auto request = parse_socket_request(text, client_id);
    std::string().swap(text);
    if (!request) co_return co_await send_error(request.error(), client_id);
    if (request->type == SocketRequest::Type::ping) co_return co_await send_pong(client_id);
    if (request->type == SocketRequest::Type::unsubscribe) co_return unsubscribe(request->session_id);
    if (tasks_.size() >= most_readers) co_return co_await send_error(too_many(), client_id);
    switch (request->type) {
        case SocketRequest::Type::chat:
            spawn(chat(*std::move(request)));
            break;
        case SocketRequest::Type::subscribe:
            // In the order of the messages: what comes next may be a chat of this session.
            co_await subscribe(*std::move(request));
            break;
        case SocketRequest::Type::resume:
            spawn(resume(*std::move(request)));
            break;
        case SocketRequest::Type::cancel:
            spawn(cancel(*std::move(request)));
            break;
        case SocketRequest::Type::unsubscribe:
        case SocketRequest::Type::ping:
            break;
    }
}

async::Task<void> SocketSession::chat(SocketRequest request) {
    sessions::TurnRequest& turn = request.chat.turn;
    turn.owner = sessions::local_owner;
    turn.request_id = request_id_;
    turn.on_busy = request.chat.on_busy.value_or(defaults_.on_busy);
    const bool is_delivery = turn.once.key.empty() && !manner_.once_key.empty();
    if (is_delivery)
        turn.once = {.key = manner_.once_key,
                     .fingerprint = manner_.once_key,
                     .is_fresh = false,
                     .is_automatic = true,
                     .remembered_for = std::chrono::minutes(10)};
    const bool is_once = !turn.once.key.empty();
    auto begun = is_once ? co_await sessions_.begin_once(std::move(turn)) : sessions_.begin(std::move(turn));
    if (!begun) co_return co_await send_error(begun.error(), request.request_id);
    // The message came twice: somebody else answers it, or has answered it.
    const auto ended = begun->reader.result();
    if (is_delivery && begun->is_replay && !(ended && ended->state == sessions::TurnState::interrupted)) co_return;
    own_turns_.add(begun->reader.name().turn_id, begun->reader.name().key.session_id);
    const bool cancels = request.chat.on_disconnect.value_or(defaults_.on_disconnect) == sessions::OnDisconnect::cancel;
    co_await send_turn(std::move(begun->reader), std::move(request.request_id), cancels && !begun->is_replay);
}

async::Task<void> SocketSession::resume(SocketRequest request) {
    const sessions::TurnName name{
        .key = {.owner = std::string(sessions::local_owner), .session_id = request.session_id},
        .turn_id = request.turn_id};
    auto reader = co_await sessions_.read(name, request.last_event_id ? request.last_event_id->number : 0);
    if (!reader) co_return co_await send_error(reader.error(), request.request_id);
    own_turns_.add(name.turn_id, name.key.session_id);
    co_await send_turn(*std::move(reader), std::move(request.request_id), false);
}

async::Task<void> SocketSession::subscribe(SocketRequest request) {
    if (feeds_.contains(request.session_id)) co_return;
    auto feed = std::make_shared<sessions::SessionFeed>(
        sessions_.feed({.owner = std::string(sessions::local_owner), .session_id = request.session_id}));
    const auto& after = request.last_event_id;
    const auto found = after ? co_await feed->from(after->turn_id, after->number) : co_await feed->from_now();
    if (!found) co_return co_await send_error(found.error(), request.request_id);
    if (is_draining_) feed->stop_after_turn();
    feeds_[request.session_id] = feed;
    spawn(send_feed(std::move(feed), std::move(request.session_id), std::move(request.request_id)));
}

void SocketSession::unsubscribe(const std::string& session_id) {
    const auto found = feeds_.find(session_id);
    if (found == feeds_.end()) return;
    found->second->stop();
    feeds_.erase(found);
    own_turns_.unsubscribed(session_id);
}

async::Task<void> SocketSession::cancel(SocketRequest request) {
    const sessions::TurnName name{
        .key = {.owner = std::string(sessions::local_owner), .session_id = request.session_id},
        .turn_id = request.turn_id};
    // Its end is told by its events, to whoever reads them.
    const auto cancelled =
        co_await sessions_.cancel(name, base::Deadline(clock_.steady() + sessions::SessionService::cancel_limit));
    if (!cancelled) co_await send_error(cancelled.error(), request.request_id);
}

async::Task<void> SocketSession::send_turn(sessions::TurnReader reader, std::string client_id, bool cancel_at_end) {
    readers_.insert(&reader);
    turn_place_ = {.turn_id = reader.name().turn_id, .number = reader.place()};
    if (!socket_->is_open() || is_stopped_) reader.stop();
    sessions::EventBatch batch;
    while (true) {
        co_await reader.next(batch, base::Deadline::never());
        if (batch.events.empty()) break;
        const base::Deadline next(clock_.steady() + manner_.pace);
        const bool was_refused = batch.has_end() && !reader.has_started() && !reader.log().was_queued();
        if (was_refused) {
            std::string more;
            append_turn_remains(more, *reader.result());
            co_await send_error(turn_error(*reader.result()), client_id, more);
        } else if (!co_await send_batch(batch, TurnFacts::of(reader, request_id_), client_id)) {
            break;
        }
        turn_place_.number = batch.events.back().number;
        if (batch.has_end()) break;
        if (manner_.pace > base::Milliseconds(0)) co_await wait_until(next);
    }
    readers_.erase(&reader);
    // A subscription passes over turns that never started.
    own_turns_.told(reader.name().turn_id, reader.has_started() && feeds_.contains(reader.name().key.session_id));
    if (cancel_at_end && !reader.result()) sessions_.ask_to_cancel(reader.name());
    if (manner_.stays_for_turns && !is_stopped_) co_await reader.wait_end(base::Deadline::never());
}

// What comes meanwhile is sent together.
async::Task<void> SocketSession::wait_until(base::Deadline time) {
    co_await async::Waiter::make(co_await async::this_executor)->wait(time);
}

async::Task<void> SocketSession::send_feed(std::shared_ptr<sessions::SessionFeed> feed, std::string session_id,
                                           std::string client_id) {
    sessions::EventBatch batch;
    while (!is_stopped_) {
        const auto any = co_await feed->next(batch, base::Deadline::never());
        if (!any) {
            co_await send_error(any.error(), client_id);
            break;
        }
        if (batch.events.empty()) break;
        const std::string& turn_id = feed->reader().name().turn_id;
        if (own_turns_.contains(turn_id)) {
            if (batch.has_end()) own_turns_.passed(turn_id);
            continue;
        }
        const base::Deadline next(clock_.steady() + manner_.pace);
        if (!co_await send_batch(batch, TurnFacts::of(feed->reader(), request_id_), client_id)) break;
        if (manner_.pace > base::Milliseconds(0)) co_await wait_until(next);
    }
    // It may be subscribed to again.
    if (const auto found = feeds_.find(session_id); found != feeds_.end() && found->second == feed) {
        feeds_.erase(found);
        own_turns_.unsubscribed(session_id);
    }
}

async::Task<bool> SocketSession::send_batch(const sessions::EventBatch& batch, const TurnFacts& facts,
                                            std::string_view client_id) {
    if (manner_.limits) {
        for (const std::string& frame : socket_frames(batch, facts, client_id, *manner_.limits))
            if (!co_await socket_->write(frame)) co_return false;
        co_return true;
    }
    std::string text;
    for (const sessions::EventBatch::Event& event : batch.events) {
        text.clear();
        append_socket_event(text, event, batch, facts, client_id);
        if (!co_await socket_->write(text)) co_return false;
    }
    co_return true;
}

async::Task<void> SocketSession::send_error(const base::Error& error, std::string_view client_id,
                                            std::string_view more) {
    co_await socket_->write(socket_error(error, client_id.empty() ? request_id_ : client_id, more));
}

async::Task<void> SocketSession::send_pong(std::string_view client_id) {
    std::string text = "{\"type\":\"pong\"";
    if (!client_id.empty()) {
        text += ",\"request_id\":";
        base::append_json_string(text, client_id);
    }
    co_await socket_->write(text + "}");
}

}  // namespace tertulia::api
