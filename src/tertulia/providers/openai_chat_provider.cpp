#include "tertulia/providers/openai_chat_provider.h"

#include <utility>

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
    http::ClientRequest message{.url = url_,
                                .headers = openai_headers(config_.api_key, url_.host),
                                .body = build_openai_chat_body(request, server_),
                                .connect_limit = config_.connect_limit};
    MakeReader make_reader = [key = config_.api_key](std::string_view content_type) {
        return std::make_unique<OpenAiChatReader>(content_type, key);
    };
    return open_answer(client_, clock_, std::move(message), config_.api_key, std::move(make_reader), std::move(stop),
                       deadline);
}

}  // namespace tertulia::providers
