#include "tertulia/lambda/self_invoker.h"

#include <fmt/format.h>

namespace tertulia::lambda {

async::Task<base::Result<void>> SelfInvoker::invoke(SelfInvocation work, base::Deadline deadline) {
    const auto invoked =
        co_await lambda_.invoke(function_, write_self_invocation(work), std::move(work.trace_id), {}, deadline);
    if (invoked) co_return base::Result<void>();
    base::Error error = aws::to_error(invoked.error(), "Lambda");
    error.message = fmt::format("{} cannot be invoked: {}", function_, error.message);
    co_return std::unexpected(std::move(error));
}

}  // namespace tertulia::lambda
