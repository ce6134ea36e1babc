#include "tertulia/providers/keyed_provider.h"

#include <fmt/format.h>

#include <utility>

namespace tertulia::providers {
namespace {

using models::Failure;
using models::FailureKind;

// Of the time until the first token.
constexpr std::chrono::seconds fetch_limit{10};

}  // namespace

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> KeyedProvider::open(
    const models::ModelRequest& request, std::stop_token stop, base::Deadline deadline) {
    const auto key = co_await key_.get(config_.fetch, stop, deadline.earlier(base::Deadline::after(fetch_limit)));
    if (!key && stop.stop_requested())
        co_return std::unexpected(
            Failure{FailureKind::stopped, {.code = base::Errc::unavailable, .message = "stopped"}});
    if (!key) {
        config_.on_failure(key.error());
        co_return std::unexpected(Failure{
            FailureKind::denied,
            {.code = base::Errc::unavailable,
             .message =
                 fmt::format("The server cannot read its key for the provider {}; its log says why.", config_.name)}});
    }
    if (used_ != *key) {
        provider_ = config_.make(**key);
        used_ = *key;
    }
    const std::shared_ptr<models::Provider> provider = provider_;
    auto opened = co_await provider->open(request, std::move(stop), deadline);
    // It may have been changed where it is kept.
    if (!opened && opened.error().kind == FailureKind::denied) key_.reject(*key);
    co_return opened;
}

}  // namespace tertulia::providers
