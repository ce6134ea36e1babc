#include "tertulia/providers/openai_server.h"

namespace tertulia::providers {
namespace {

bool is_azure_host(std::string_view host) {
    return host.ends_with(".azure.com");
}

bool is_this_machine(std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

OpenAiServer openai_server(const http::Url& url) {
    if (is_openai_host(url.host))
        return {.has_max_completion_tokens = true,
                .has_obfuscation = true,
                .has_cache_key = true,
                .may_refuse_files = false};
    if (is_azure_host(url.host) && url.target.starts_with("/openai/v1"))
        return {.has_max_completion_tokens = true, .has_cache_key = true, .may_refuse_files = false};
    return {.has_cache_key = is_this_machine(url.host)};
}

bool is_openai_host(std::string_view host) {
    return host == "api.openai.com" || host.ends_with(".api.openai.com");
}

http::Headers openai_headers(const base::Secret& key, std::string_view host) {
    http::Headers headers;
    headers.add("content-type", "application/json");
    headers.add("accept", "application/json, text/event-stream");
    headers.add("accept-encoding", "gzip");
    if (!key.empty()) {
        headers.add("authorization", "Bearer " + key.reveal());
        if (is_azure_host(host)) headers.add("api-key", key.reveal());
    }
    return headers;
}

}  // namespace tertulia::providers
