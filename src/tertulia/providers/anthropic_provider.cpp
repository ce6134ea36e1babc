#include "tertulia/providers/anthropic_provider.h"

#include <utility>

#include "tertulia/providers/provider_client.h"

namespace tertulia::providers {
namespace {

http::Url messages_url(const http::Url& base) {
    const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
    const bool has_version = path.ends_with("/v1") || path.ends_with("/v1/");
    return append_path(base, has_version ? "/messages" : "/v1/messages");
}

}  // namespace

AnthropicProvider::AnthropicProvider(http::Client& client, const base::Clock& clock, Config config)
    : client_(client), clock_(clock), config_(std::move(config)), url_(messages_url(config_.base_url)) {}

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> AnthropicProvider::open(
    const models::ModelRequest& request, std::stop_token stop, base::Deadline deadline) {
    http::ClientRequest message{.url = url_,
                                .headers = anthropic_headers(config_.api_key, config_.api_version),
                                .body = build_anthropic_body(request, config_.api_version),
                                .connect_limit = config_.connect_limit};
    MakeReader make_reader = [key = config_.api_key](std::string_view content_type) {
        return std::make_unique<AnthropicReader>(content_type, key);
    };
    return open_answer(client_, clock_, std::move(message), config_.api_key, std::move(make_reader), std::move(stop),
                       deadline);
}

std::vector<std::string> AnthropicProvider::ignored_parameters(const models::ModelRequest& request) const {
    if (request.temperature && !anthropic_takes_temperature(config_.api_version)) return {"temperature"};
    return {};
}

}  // namespace tertulia::providers
