#include "tertulia/lambda/invoked_work.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <exception>
#include <utility>

#include "tertulia/api/chat_request.h"
#include "tertulia/api/socket_frames.h"
#include "tertulia/api/socket_request.h"
#include "tertulia/base/json.h"
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

std::string text_of(const boost::json::object& message, std::string_view name) {
    const boost::json::value* value = message.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

/// One message or turn while it is served; what is left behind keeps it.
struct InvokedWork::Serving {
    Serving(const Invocation& invocation, SelfInvocation asked, const Parts& parts)
        : id(invocation.id),
          trace_id(invocation.trace_id),
          work(std::move(asked)),
          turns(parts.registry, parts.executor, id) {}

    const std::string id;  // of the invocation, and of what it begins
    const std::string trace_id;
    const SelfInvocation work;
    TurnWatch turns;
    std::shared_ptr<GatewaySocket> socket = {};
    std::optional<TurnBroadcast::Origin> origin = {};
    std::optional<api::SocketSession> session = {};
    std::exception_ptr bug = {};
    bool is_over = false;
    bool is_late = false;  // it has to end
};

Task<Outcome> InvokedWork::run(const Invocation& invocation, SelfInvocation work) {
    const auto serving = std::make_shared<Serving>(invocation, std::move(work), parts_);
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
        serving->origin.emplace(parts_.broadcast, invocation.id, client.connection_id);
        const std::string& message_id = serving->work.message_id;
        serving->session.emplace(
            parts_.sessions, parts_.clock, settings_.chat, serving->socket, serving->id, parts_.executor,
            [&log = parts_.log](const std::string& what) { log.error("bug in a socket", {{"what", what}}); },
            api::SocketManner{
                .limits = api::FrameLimits{},
                .pace = settings_.pace,
                .stays_for_turns = true,
                .once_key = message_id.empty() ? std::string() : "ws " + client.connection_id + " " + message_id});
    }
    const Outcome outcome = co_await serve(
        serving, serving->work.kind == Kind::turn ? resume(*serving) : answer(*serving), invocation.deadline);
    if (serving->socket && !serving->socket->is_open())
        (void)co_await parts_.connections.remove(serving->work.client->connection_id);
    co_return outcome;
}

Task<void> InvokedWork::send(SocketClient client, std::string message) {
    const auto socket = GatewaySocket::make(parts_.gateway, std::move(client), [](const aws::ServiceError&, bool) {});
    if (socket) (void)co_await (*socket)->write(message);
}

// A client's message.
Task<void> InvokedWork::answer(Serving& serving) {
    std::string client_id;
    const auto request = api::parse_socket_request(serving.work.message, client_id);
    if (request && request->type == api::SocketRequest::Type::subscribe) co_return co_await replay(serving);
    co_await serving.session->serve(serving.work.message);
}

// What a new subscriber has missed: turns that have ended. The one that runs is told by the invocation that it runs in,
// and so are those that follow: whoever ends looks for subscribers after its answer is stored. So once nobody waits any
// more there is one look more here, and then each turn has been seen by one or the other.
Task<void> InvokedWork::replay(Serving& serving) {
    std::string client_id;
    const auto request = api::parse_socket_request(serving.work.message, client_id);
    const sessions::SessionKey key{.owner = std::string(sessions::local_owner), .session_id = request->session_id};
    const auto all = co_await parts_.connections.subscriptions(key);
    if (!all) {  // it stays, and turns that run do not wait for long
        parts_.log.error("what a subscriber missed is not told",
                         {{"request_id", serving.id}, {"reason", all.error().message}});
        co_return;
    }
    const auto found = std::ranges::find_if(*all, [&](const sessions::SocketSubscription& one) {
        return one.connection_id == serving.work.client->connection_id && one.number == serving.work.message_id;
    });
    if (found == all->end() || found->last_turn.empty()) co_return;
    sessions::TurnName turn{.key = key, .turn_id = found->last_turn};
    std::uint32_t after = found->last_number;
    std::string told;
    bool is_waited_for = true;
    while (serving.socket->is_open() && !serving.is_late) {
        auto reader = co_await parts_.sessions.read(turn, after);
        if (!reader) co_return co_await end_subscription(serving, *found, reader.error());
        const auto result = reader->result();
        if (result && result->state != sessions::TurnState::running) {
            // Its own turn it heard of from whoever ran that.
            const bool is_own = result->told == found->connection_id;
            if (told != turn.turn_id && !is_own) co_await tell(serving, *found, *std::move(reader));
            told = turn.turn_id;
            auto next = co_await parts_.sessions.next_turn(turn);
            if (!next) co_return co_await end_subscription(serving, *found, next.error());
            if (!next->empty()) {
                turn.turn_id = *std::move(next);
                after = 0;
                continue;
            }
        }
        if (!is_waited_for) co_return;
        is_waited_for = false;
        (void)co_await parts_.connections.stop_waiting(*found);
    }
}

// Of one turn that has ended, unless another one does.
Task<void> InvokedWork::tell(Serving& serving, const sessions::SocketSubscription& subscription,
                             sessions::TurnReader reader) {
    const auto claimed = co_await parts_.connections.claim(subscription, reader.name().turn_id, serving.id);
    if (!claimed)
        parts_.log.warn("a subscriber cannot be told",
                        {{"turn", reader.name().turn_id}, {"reason", claimed.error().message}});
    if (!claimed || !*claimed) co_return;
    if (**claimed > reader.place()) {  // it was handed over before it ended
        auto rest = co_await parts_.sessions.read(reader.name(), **claimed);
        if (!rest) co_return;
        co_return co_await serving.session->serve(*std::move(rest), subscription.client_id);
    }
    co_await serving.session->serve(std::move(reader), subscription.client_id);
}

Task<void> InvokedWork::end_subscription(Serving& serving, sessions::SocketSubscription subscription, base::Error why) {
    (void)co_await parts_.connections.unsubscribe(subscription.connection_id, subscription.key);
    co_await serving.socket->write(
        api::socket_error(why, subscription.client_id.empty() ? serving.id : subscription.client_id));
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
        serving->is_late = true;
        if (!co_await hand_over(*serving, last)) serving->turns.interrupt();
        if (!co_await until(last) && serving->session) serving->session->stop();
    }
    co_await serving->turns.finish(earlier(deadline, settings_.margin), last);
    (void)co_await parts_.broadcast.finish(serving->id, last);
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
    co_return co_await parts_.hand_over->run(serving.id, serving.trace_id, how, std::move(told), deadline);
}

}  // namespace tertulia::lambda
