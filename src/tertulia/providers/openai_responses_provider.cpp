#include "tertulia/providers/openai_responses_provider.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tertulia/providers/provider_client.h"

namespace tertulia::providers {
namespace {

// "The encrypted content ... could not be verified", "Item with id 'rs_...' not found", "Item 'rs_...' of type
// 'reasoning' was provided without its required following item", and the like.
bool blames_native(const models::Failure& failure) {
    constexpr std::array<std::string_view, 4> words = {"ncrypted", "easoning", "Item with id", "rs_"};
    return (failure.kind == models::FailureKind::rejected || failure.kind == models::FailureKind::denied) &&
           std::ranges::any_of(
               words, [&](std::string_view word) { return failure.error.message.find(word) != std::string::npos; });
}

}  // namespace

OpenAiResponsesProvider::OpenAiResponsesProvider(http::Client& client, const base::Clock& clock, Config config)
    : client_(client),
      clock_(clock),
      config_(std::move(config)),
      url_(append_path(config_.base_url, "/responses")),
      server_(openai_server(url_)) {}

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> OpenAiResponsesProvider::open(
    const models::ModelRequest& request, std::stop_token stop, base::Deadline deadline) {
    auto opened = co_await send(build_openai_responses_body(request, server_, true), stop, deadline);
    if (opened || !blames_native(opened.error()) || !replays_native(request)) co_return opened;
    co_return co_await send(build_openai_responses_body(request, server_, false), std::move(stop), deadline);
}

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> OpenAiResponsesProvider::send(
    std::string body, std::stop_token stop, base::Deadline deadline) {
    http::ClientRequest message{.url = url_,
                                .headers = openai_headers(config_.api_key, url_.host),
                                .body = std::move(body),
                                .connect_limit = config_.connect_limit};
    MakeReader make_reader = [key = config_.api_key](std::string_view content_type) {
        return std::make_unique<OpenAiResponsesReader>(content_type, key);
    };
    return open_answer(client_, clock_, std::move(message), config_.api_key, std::move(make_reader), std::move(stop),
                       deadline);
}

std::vector<std::string> OpenAiResponsesProvider::ignored_parameters(const models::ModelRequest& request) const {
    if (!request.stop.empty()) return {"stop"};
    return {};
}

}  // namespace tertulia::providers
