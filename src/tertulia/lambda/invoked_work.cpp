#include "tertulia/lambda/invoked_work.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <exception>
#include <utility>

#include "tertulia/api/chat_request.h"
#include "tertulia/base/json.h"
#include "tertulia/lambda/connection_peers.h"
#include "tertulia/lambda/error_types.h"
#include "tertulia/lambda/turn_watch.h"

namespace tertulia::lambda {
namespace {

using namespace std::chrono_literals;
using async::Task;
using Kind = SelfInvocation::Kind;

// A turn that is to be taken over is handed over within that time, or not at all.
constexpr std::chrono::seconds handing_over = 15s;
constexpr std::chrono::milliseconds first_pause = 50ms, longest_pause = 1s;

Task<void> pause(std::chrono::milliseconds time) {
    co_await async::Waiter::make(co_await async::this_executor)->wait(base::Deadline::after(time));
}

base::Deadline earlier(base::Deadline deadline, base::Milliseconds by) {
    return deadline.is_never() ? deadline : base::Deadline(deadline.at() - by);
}

std::string type_of(const std::string& message) {
    const auto value = base::parse_json(message);
    const boost::json::value* type = value && value->is_object() ? value->get_object().if_contains("type") : nullptr;
    return type && type->is_string() ? std::string(type->get_string()) : std::string();
}

std::string text_of(const boost::json::object& message, std::string_view name) {
    const boost::json::value* value = message.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

/// One message or turn while it is served; what is left behind keeps it.
struct InvokedWork::Serving {
    Serving(std::string invocation_id, SelfInvocation asked, const Parts& parts)
        : id(std::move(invocation_id)), work(std::move(asked)), turns(parts.registry, parts.executor, id) {}

    const std::string id;  // of the invocation, and of what it begins
    const SelfInvocation work;
    TurnWatch turns;
    std::shared_ptr<GatewaySocket> socket = {};
    std::optional<ConnectionPeers> peers = {};
    std::optional<api::SocketSession> session = {};
    std::exception_ptr bug = {};
    bool is_over = false;
};

Task<Outcome> InvokedWork::run(const Invocation& invocation, SelfInvocation work) {
    const auto serving = std::make_shared<Serving>(invocation.id, std::move(work), parts_);
    if (serving->work.client) {
        const SocketClient& client = *serving->work.client;
        auto socket = GatewaySocket::make(
            parts_.gateway, client, [&log = parts_.log, id = invocation.id](const aws::ServiceError& error, bool gone) {
                log.write(gone ? telemetry::Level::info : telemetry::Level::warn, "a client has left",
                          {{"request_id", id}, {"reason", error.message}});
            });
        if (!socket)
            co_return std::unexpected(InvocationError{.type = std::string(error_type(socket.error().code)),
                                                      .message = socket.error().message});
        serving->socket = *std::move(socket);
        if (parts_.connections) serving->peers.emplace(*parts_.connections, client.connection_id, invocation.id);
        const std::string& message_id = serving->work.message_id;
        serving->session.emplace(
            parts_.sessions, parts_.clock, settings_.chat, serving->socket, serving->id, parts_.executor,
            [&log = parts_.log](const std::string& what) { log.error("bug in a socket", {{"what", what}}); },
            api::SocketManner{
                .limits = api::FrameLimits{},
                .pace = settings_.pace,
                .stays_for_turns = true,
                .once_key = message_id.empty() ? std::string() : "ws " + client.connection_id + " " + message_id,
                .peers = serving->peers ? &*serving->peers : nullptr});
    }
    const Outcome outcome = co_await serve(
        serving, serving->work.kind == Kind::turn ? resume(*serving) : answer(*serving), invocation.deadline);
    if (serving->socket && !serving->socket->is_open() && parts_.connections)
        (void)co_await parts_.connections->remove(serving->work.client->connection_id);
    co_return outcome;
}

Task<void> InvokedWork::tell(SocketClient client, std::string message) {
    const auto socket = GatewaySocket::make(parts_.gateway, std::move(client), [](const aws::ServiceError&, bool) {});
    if (socket) (void)co_await (*socket)->write(message);
}

// A client's message.
Task<void> InvokedWork::answer(Serving& serving) {
    if (parts_.connections && type_of(serving.work.message) == "subscribe") {
        const auto message = base::parse_json(serving.work.message);
        const auto known = co_await parts_.connections->subscribe(
            serving.work.client->connection_id, text_of(message->get_object(), "session_id"), serving.id);
        if (known && !*known) co_return;  // the client has left
    }
    co_await serving.session->serve(serving.work.message);
}

Task<void> InvokedWork::resume(Serving& serving) {
    api::ChatRequest how;
    const auto members = base::parse_json(serving.work.how);
    if (members && members->is_object()) (void)api::read_chat_members(members->get_object(), how);
    sessions::TurnRequest request = std::move(how.turn);
    request.owner = serving.work.turn.key.owner;
    request.session_id = serving.work.turn.key.session_id;
    request.stream = true;
    request.request_id = serving.id;
    const base::Deadline patience = base::Deadline::after(handing_over);
    for (auto between_looks = first_pause;; between_looks = std::min(between_looks * 2, longest_pause)) {
        auto resumed = parts_.sessions.resume(serving.work.turn, request);
        if (resumed) co_await resumed->reader.wait_start(base::Deadline::never());
        if (resumed && resumed->reader.has_started()) break;
        // Not handed over yet; or it has come to its end where it was.
        const auto stored = co_await parts_.sessions.read(serving.work.turn);
        const bool has_ended = stored && stored->result() && stored->has_started();
        if (has_ended || patience.passed(std::chrono::steady_clock::now())) {
            parts_.log.info("no turn to go on with", {{"request_id", serving.id},
                                                      {"session", serving.work.turn.key.session_id},
                                                      {"turn", serving.work.turn.turn_id}});
            co_return;
        }
        co_await pause(between_looks);
    }
    auto reader = co_await parts_.sessions.read(serving.work.turn, serving.work.after);
    if (!reader) co_return;
    if (serving.session)
        co_await serving.session->serve(*std::move(reader), serving.work.client_id);
    else
        co_await reader->wait_end(base::Deadline::never());
}

Task<void> InvokedWork::to_the_end(std::shared_ptr<Serving> serving, Task<void> task) {
    try {
        co_await std::move(task);
    } catch (...) {
        serving->bug = std::current_exception();
    }
    serving->is_over = true;
    serving->turns.waiter()->wake();
}

Task<Outcome> InvokedWork::serve(std::shared_ptr<Serving> serving, Task<void> task, base::Deadline deadline) {
    parts_.tasks.spawn(to_the_end(serving, std::move(task)));
    const auto until = [&](base::Deadline limit) -> Task<bool> {
        while (!serving->is_over && !limit.passed(std::chrono::steady_clock::now()))
            co_await serving->turns.waiter()->wait(limit);
        co_return serving->is_over;
    };
    const base::Deadline last = earlier(deadline, settings_.margin / 4);
    if (!co_await until(earlier(deadline, settings_.margin))) {
        co_await go_on_elsewhere(*serving, last);
        if (!co_await until(last) && serving->session) serving->session->stop();
    }
    co_await serving->turns.finish(earlier(deadline, settings_.margin), last);
    if (serving->bug) std::rethrow_exception(serving->bug);
    co_return "{}";
}

Task<bool> InvokedWork::hand_over(Serving& serving, base::Deadline deadline) {
    if (!parts_.hand_over) co_return false;
    std::optional<HandOver::Told> told;
    if (serving.session) {
        const auto message = base::parse_json(serving.work.message);
        told =
            HandOver::Told{.client = *serving.work.client,
                           .client_id = message && message->is_object() ? text_of(message->get_object(), "request_id")
                                                                        : serving.work.client_id,
                           .after = serving.session->turn_place().number};
    }
    const std::string& how = serving.work.kind == Kind::turn ? serving.work.how : serving.work.message;
    co_return co_await parts_.hand_over->run(serving.id, how, std::move(told), deadline);
}

// Its time here is over.
Task<void> InvokedWork::go_on_elsewhere(Serving& serving, base::Deadline deadline) {
    if (!co_await hand_over(serving, deadline)) serving.turns.interrupt();
    if (!parts_.invoker || !serving.session || type_of(serving.work.message) != "subscribe") co_return;
    // The subscription goes on from the last event that was told.
    auto message = base::parse_json(serving.work.message);
    const api::SocketSession::Place& place = serving.session->feed_place();
    if (!place.turn_id.empty())
        message->get_object()["last_event_id"] = place.turn_id + ":" + std::to_string(place.number);
    serving.session->stop();
    SelfInvocation next = serving.work;
    next.message = boost::json::serialize(*message);
    next.message_id.clear();
    if (auto invoked = co_await parts_.invoker->invoke(std::move(next), deadline); !invoked)
        parts_.log.error("a subscription ends", {{"request_id", serving.id}, {"reason", invoked.error().message}});
}

}  // namespace tertulia::lambda
