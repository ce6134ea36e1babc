#include "tertulia/lambda/direct_events.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "tertulia/lambda/error_types.h"

namespace tertulia::lambda {
namespace {

Outcome failed(api::DirectFailure failure) {
    return std::unexpected(InvocationError{.type = std::string(error_type(failure.error.code)),
                                           .message = std::move(failure.error.message),
                                           .more = ",\"details\":" + failure.body});
}

base::Deadline earlier(base::Deadline deadline, base::Milliseconds by) {
    return deadline.is_never() ? deadline : base::Deadline(deadline.at() - by);
}

}  // namespace

async::Task<Outcome> DirectEvents::answer(const Invocation& invocation, const boost::json::object& event) {
    const boost::json::value* kind = event.if_contains("kind");
    if (kind && kind->is_string() && is_self_invocation(std::string_view(kind->get_string()))) {
        auto work = read_self_invocation(event);
        if (!work) co_return failed(api::direct_failure(work.error(), invocation.id));
        co_return co_await work_.run(invocation, *std::move(work));
    }
    auto request = api::read_direct_request(event);
    if (!request) co_return failed(api::direct_failure(request.error(), invocation.id));
    const base::Deadline last = earlier(invocation.deadline, margin_ / 4);
    auto outcome =
        co_await calls_.run(*std::move(request), invocation.id, {}, earlier(invocation.deadline, margin_), last);
    (void)co_await broadcast_.finish(invocation.id, last);
    if (!outcome) co_return failed(std::move(outcome.error()));
    co_return *std::move(outcome);
}

}  // namespace tertulia::lambda
