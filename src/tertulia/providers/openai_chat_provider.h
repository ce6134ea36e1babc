// OpenAI's Chat Completions API over HTTP.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/client.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/openai_chat_wire.h"
#include "tertulia/providers/openai_server.h"

namespace tertulia::providers {

/// Any model of OpenAI or of a server that speaks its dialect (Azure, llama.cpp, Ollama, vLLM, Groq, ...). Where one of
/// the latter refuses a request with documents as files, it is asked once more with a line of text in place of each;
/// where it takes that, this model is not sent files again. One per worker.
class OpenAiChatProvider : public models::Provider {
  public:
    struct Config {
        /// `https://api.openai.com/v1`; `/chat/completions` is appended to its path.
        http::Url base_url;
        /// Empty: none is sent.
        base::Secret api_key;
        base::Milliseconds connect_limit{3000};
    };

    /// `client` (of the same worker) and `clock` outlive it.
    OpenAiChatProvider(http::Client& client, const base::Clock& clock, Config config);

    std::string_view kind() const override { return openai_chat_kind; }
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline deadline) override;
    std::vector<std::string> ignored_parameters(const models::ModelRequest&) const override { return {}; }
    bool takes_prefill(std::string_view) const override { return false; }

  private:
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> send(std::string body, std::stop_token stop,
                                                                             base::Deadline deadline);

    http::Client& client_;
    const base::Clock& clock_;
    const Config config_;
    const http::Url url_;
    const OpenAiServer server_;
    std::vector<std::string> without_files_;  // models that refused them
};

}  // namespace tertulia::providers
