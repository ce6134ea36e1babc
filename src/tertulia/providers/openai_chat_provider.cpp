#include "tertulia/providers/openai_chat_provider.h"

#include <algorithm>
#include <utility>

#include "tertulia/providers/openai_parts.h"
#include "tertulia/providers/provider_client.h"

namespace tertulia::providers {

OpenAiChatProvider::OpenAiChatProvider(http::Client& client, const base::Clock& clock, Config config)
    : client_(client),
      clock_(clock),
      config_(std::move(config)),
      url_(append_path(config_.base_url, "/chat/completions")),
      server_(openai_server(url_)) {}

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> OpenAiChatProvider::open(
    const models::ModelRequest& request, std::stop_token stop, base::Deadline deadline) {
    constexpr std::size_t most_models = 100;  // names come from clients
    OpenAiServer server = server_;
    server.has_files = std::ranges::find(without_files_, request.model) == without_files_.end();
    auto opened = co_await send(build_openai_chat_body(request, server), stop, deadline);
    if (opened || opened.error().kind != models::FailureKind::rejected || !server.has_files ||
        !server.may_refuse_files || !holds_files(request.messages))
        co_return opened;
    server.has_files = false;
    auto again = co_await send(build_openai_chat_body(request, server), std::move(stop), deadline);
    if (again && without_files_.size() < most_models) without_files_.push_back(request.model);
    co_return again;
}

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> OpenAiChatProvider::send(std::string body,
                                                                                             std::stop_token stop,
                                                                                             base::Deadline deadline) {
    http::ClientRequest message{.url = url_,
                                .headers = openai_headers(config_.api_key, url_.host),
                                .body = std::move(body),
                                .connect_limit = config_.connect_limit};
    MakeReader make_reader = [key = config_.api_key](std::string_view content_type) {
        return std::make_unique<OpenAiChatReader>(content_type, key);
    };
    return open_answer(client_, clock_, std::move(message), config_.api_key, std::move(make_reader), std::move(stop),
                       deadline);
}

}  // namespace tertulia::providers
