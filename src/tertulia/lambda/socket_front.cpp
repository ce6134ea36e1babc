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

constexpr std::string_view taken = R"({"statusCode":200})";

bool takes_time(Request type) {
    return type == Request::chat || type == Request::resume || type == Request::subscribe;
}

}  // namespace

Task<Outcome> SocketFront::answer(const Invocation& invocation, const boost::json::object& event) {
    auto read = read_socket_event(event);
    if (!read)
        co_return std::unexpected(
            InvocationError{.type = std::string(error_type(read.error().code)), .message = read.error().message});
    if (read->type == Type::connect) co_return co_await connect(invocation, *read);
    if (read->type == Type::message) co_return co_await message(invocation, *std::move(read));
    if (parts_.connections) (void)co_await parts_.connections->remove(read->client.connection_id);
    co_return std::string(taken);
}

Task<Outcome> SocketFront::connect(const Invocation& invocation, const SocketEvent& event) {
    auto admitted = parts_.api.admit_socket(event.handshake);
    if (admitted && parts_.connections) {
        const auto added = co_await parts_.connections->add({.id = event.client.connection_id,
                                                             .owner = std::string(sessions::local_owner),
                                                             .subscriptions = {},
                                                             .own_turns = {}},
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
                        .message = std::move(event.message)};
    if (request && request->type == Request::unsubscribe && parts_.connections)
        (void)co_await parts_.connections->subscribe(work.client->connection_id, request->session_id, {});
    Outcome outcome = std::string(taken);
    if (request && takes_time(request->type) && parts_.invoker) {
        const auto invoked = co_await parts_.invoker->invoke(work, invocation.deadline);
        if (invoked) co_return outcome;
        parts_.log.error("a message cannot be passed on",
                         {{"request_id", invocation.id}, {"reason", invoked.error().message}});
        co_await parts_.work.tell(*work.client,
                                  api::socket_error({.code = base::Errc::unavailable,
                                                     .message = "The server cannot begin this; try again in a moment.",
                                                     .retry_after = base::Milliseconds(1000)},
                                                    client_id.empty() ? invocation.id : client_id));
        co_return outcome;
    }
    const Outcome done = co_await parts_.work.run(invocation, std::move(work));
    if (!done) co_return std::unexpected(done.error());
    co_return outcome;
}

}  // namespace tertulia::lambda
