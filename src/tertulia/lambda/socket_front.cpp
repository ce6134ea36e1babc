#include "tertulia/lambda/socket_front.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <utility>

#include "tertulia/api/error_reply.h"
#include "tertulia/api/socket_frames.h"
#include "tertulia/api/socket_request.h"
#include "tertulia/base/json.h"
#include "tertulia/lambda/error_types.h"

namespace tertulia::lambda {
namespace {

using async::Task;
using Type = SocketEvent::Type;
using Request = api::SocketRequest::Type;

// API Gateway holds no connection for longer.
constexpr std::chrono::microseconds longest_connection = std::chrono::hours(2);

// So long turns that run wait for a subscriber to be told of those that have ended.
constexpr std::chrono::microseconds replay_limit = std::chrono::minutes(1);

constexpr std::string_view taken = R"({"statusCode":200})";

bool takes_time(Request type) {
    return type == Request::chat || type == Request::resume;
}

sessions::SessionKey key_of(const api::SocketRequest& request) {
    return {.owner = std::string(sessions::local_owner), .session_id = request.session_id};
}

}  // namespace

Task<Outcome> SocketFront::answer(const Invocation& invocation, const boost::json::object& event) {
    auto read = read_socket_event(event);
    if (!read)
        co_return std::unexpected(
            InvocationError{.type = std::string(error_type(read.error().code)), .message = read.error().message});
    if (read->type == Type::connect) co_return co_await connect(invocation, *read);
    if (read->type == Type::message) co_return co_await message(invocation, *std::move(read));
    (void)co_await parts_.connections.remove(read->client.connection_id);
    co_return std::string(taken);
}

Task<Outcome> SocketFront::connect(const Invocation& invocation, const SocketEvent& event) {
    auto admitted = parts_.api.admit_socket(event.handshake);
    if (admitted) {
        const auto added =
            co_await parts_.connections.add(event.client.connection_id, std::string(sessions::local_owner),
                                            parts_.clock.wall_us() + longest_connection.count());
        if (!added) admitted = std::unexpected(added.error());
    }
    if (!admitted) {
        const http::Response refusal = api::error_response(admitted.error(), {.request_id = invocation.id});
        std::string answer =
            fmt::format(R"({{"statusCode":{},"headers":{{"content-type":"application/json"}},"body":)", refusal.status);
        base::append_json_string(answer, refusal.body);
        co_return answer + "}";
    }
    if (admitted->empty()) co_return std::string(taken);
    co_return fmt::format(R"({{"statusCode":200,"headers":{{"Sec-WebSocket-Protocol":"{}"}}}})", *admitted);
}

Task<Outcome> SocketFront::message(const Invocation& invocation, SocketEvent event) {
    std::string client_id;
    const auto request = api::parse_socket_request(event.message, client_id);
    SelfInvocation work{.kind = SelfInvocation::Kind::socket,
                        .client = std::move(event.client),
                        .message_id = std::move(event.message_id),
                        .message = std::move(event.message),
                        .trace_id = invocation.trace_id};
    if (request && request->type == Request::subscribe)
        co_return co_await subscribe(invocation, *request, std::move(work));
    if (request && request->type == Request::unsubscribe) {
        (void)co_await parts_.connections.unsubscribe(work.client->connection_id, key_of(*request));
        co_return std::string(taken);
    }
    if (request && takes_time(request->type) && parts_.invoker) {
        co_await pass_on(invocation, work, std::move(client_id));
        co_return std::string(taken);
    }
    const Outcome done = co_await parts_.work.run(invocation, std::move(work));
    if (!done) co_return std::unexpected(done.error());
    co_return std::string(taken);
}

// It is written down, and that is all: whatever turn runs from now on looks for it. What has been missed is told at
// once, before that.
Task<Outcome> SocketFront::subscribe(const Invocation& invocation, const api::SocketRequest& request,
                                     SelfInvocation work) {
    sessions::SocketSubscription subscription{.key = key_of(request),
                                              .connection_id = work.client->connection_id,
                                              .address = write_address(work.client->stage),
                                              .number = work.message_id,
                                              .client_id = request.request_id};
    if (request.last_event_id) {
        subscription.last_turn = request.last_event_id->turn_id;
        subscription.last_number = request.last_event_id->number;
        subscription.waits_until_us = parts_.clock.wall_us() + replay_limit.count();
    }
    const auto subscribed = co_await parts_.connections.subscribe(std::move(subscription));
    if (!subscribed) {
        parts_.log.error("a subscription is lost",
                         {{"request_id", invocation.id}, {"reason", subscribed.error().message}});
        co_await refuse(invocation, *work.client, request.request_id);
    }
    if (!subscribed || !*subscribed || !request.last_event_id) co_return std::string(taken);
    if (parts_.invoker) {
        if (!co_await pass_on(invocation, work, request.request_id))
            (void)co_await parts_.connections.unsubscribe(work.client->connection_id, key_of(request));
        co_return std::string(taken);
    }
    const Outcome done = co_await parts_.work.run(invocation, std::move(work));
    if (!done) co_return std::unexpected(done.error());
    co_return std::string(taken);
}

// False: it cannot be done, which the client was told.
Task<bool> SocketFront::pass_on(const Invocation& invocation, const SelfInvocation& work, std::string client_id) {
    const auto invoked = co_await parts_.invoker->invoke(work, invocation.deadline);
    if (!invoked) {
        parts_.log.error("a message cannot be passed on",
                         {{"request_id", invocation.id}, {"reason", invoked.error().message}});
        co_await refuse(invocation, *work.client, std::move(client_id));
    }
    co_return invoked.has_value();
}

Task<void> SocketFront::refuse(const Invocation& invocation, const SocketClient& client, std::string client_id) {
    co_await parts_.work.send(client,
                              api::socket_error({.code = base::Errc::unavailable,
                                                 .message = "The server cannot begin this; try again in a moment.",
                                                 .retry_after = base::Milliseconds(1000)},
                                                client_id.empty() ? invocation.id : client_id));
}

}  // namespace tertulia::lambda
