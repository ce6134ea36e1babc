// Which server of OpenAI's dialects this is, and what that means for its requests.
#pragma once

#include <string_view>

#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/http/url.h"

namespace tertulia::providers {

/// What a server of Chat Completions takes beyond the part that all of them have. Compatible servers (Groq, Mistral,
/// ...) refuse requests with members that they do not know. Value.
struct OpenAiServer {
    /// `max_completion_tokens`; the others know `max_tokens` only.
    bool has_max_completion_tokens = false;
    /// The padding of its streams can be left out.
    bool has_obfuscation = false;
    /// `prompt_cache_key`.
    bool has_cache_key = false;
    /// Content parts of the type `file`, ...
    bool has_files = true;
    /// ... which it may refuse all the same: then it is asked once more without.
    bool may_refuse_files = true;
};

/// By the address alone. OpenAI's own hosts have it all; Azure's current API (`*.azure.com/openai/v1`) all but the
/// padding; servers on this machine the cache key (local model servers pass over it, and a gateway passes it on). Azure
/// with an `api-version` of any age is taken for a compatible server.
OpenAiServer openai_server(const http::Url& url);

/// Is this OpenAI itself (also its regional hosts)?
bool is_openai_host(std::string_view host);

/// The key goes as a bearer token; for Azure (`host` ends with `.azure.com`) as `api-key` too.
http::Headers openai_headers(const base::Secret& key, std::string_view host);

}  // namespace tertulia::providers
