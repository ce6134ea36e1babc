#include "tertulia/api/direct_calls.h"

#include <utility>

#include "tertulia/api/answer_json.h"
#include "tertulia/api/error_reply.h"

namespace tertulia::api {
namespace {

constexpr std::string_view out_of_time = "The time of this call ended before the answer was whole; continue the turn.";

DirectFailure turn_failure(const sessions::TurnReader& reader, const sessions::TurnResult* result, base::Error error,
                           std::string_view request_id) {
    std::string more;
    if (result) append_turn_remains(more, *result);
    ErrorContext context{.request_id = request_id, .more = more};
    if (!result || reader.has_started()) {
        context.session_id = reader.name().key.session_id;
        context.turn_id = reader.name().turn_id;
    }
    DirectFailure failure{.error = std::move(error), .body = {}};
    append_error(failure.body, failure.error, context);
    return failure;
}

}  // namespace

DirectFailure direct_failure(const base::Error& error, std::string_view request_id) {
    DirectFailure failure{.error = error, .body = {}};
    append_error(failure.body, error, {.request_id = request_id});
    return failure;
}

async::Task<DirectOutcome> DirectCalls::run(DirectRequest request, std::string request_id, std::stop_token stop,
                                            base::Deadline deadline, base::Deadline last) {
    if (request.kind == DirectRequest::Kind::chat_turn)
        co_return co_await chat_turn(std::move(request.chat), std::move(request_id), deadline, last);
    request.question.request_id = request_id;
    const auto answer = co_await sessions_.ask_directly(std::move(request.question), std::move(stop), deadline);
    if (!answer) co_return std::unexpected(direct_failure(answer.error(), request_id));
    std::string body;
    append_direct_answer(body, *answer);
    co_return body;
}

async::Task<DirectOutcome> DirectCalls::chat_turn(ChatRequest request, std::string request_id, base::Deadline deadline,
                                                  base::Deadline last) {
    request.turn.request_id = request_id;
    request.turn.on_busy = request.on_busy.value_or(defaults_.on_busy);
    const bool is_once = !request.turn.once.key.empty();
    auto begun =
        is_once ? co_await sessions_.begin_once(std::move(request.turn)) : sessions_.begin(std::move(request.turn));
    if (!begun) co_return std::unexpected(direct_failure(begun.error(), request_id));
    sessions::TurnReader& reader = begun->reader;
    auto result = co_await reader.wait_end(deadline);
    const bool is_late = !result;
    if (is_late) {
        // A turn that another invocation began is that one's to end.
        if (!begun->is_replay) sessions_.ask_to_interrupt(reader.name());
        result = co_await reader.wait_end(last);
    }
    std::string body;
    if (result && result->state == sessions::TurnState::completed) {
        append_answer(body, *result);
        co_return body;
    }
    base::Error error{.code = base::Errc::timed_out, .message = std::string(out_of_time)};
    if (result && !(is_late && result->state == sessions::TurnState::interrupted)) error = turn_error(*result);
    co_return std::unexpected(turn_failure(reader, result.get(), std::move(error), request_id));
}

}  // namespace tertulia::api
