// Anthropic's Messages API over HTTP.
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
#include "tertulia/providers/anthropic_wire.h"

namespace tertulia::providers {

/// Any model that Anthropic, or a server that speaks its API, serves. One per worker.
class AnthropicProvider : public models::Provider {
  public:
    struct Config {
        /// `https://api.anthropic.com`, with or without `/v1`.
        http::Url base_url;
        /// Empty: none is sent.
        base::Secret api_key;
        /// Sent as `anthropic-version`.
        std::string api_version = std::string(anthropic_version_2023);
        base::Milliseconds connect_limit{3000};
    };

    /// `client` (of the same worker) and `clock` outlive it.
    AnthropicProvider(http::Client& client, const base::Clock& clock, Config config);

    std::string_view kind() const override { return anthropic_kind; }
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline deadline) override;
    std::vector<std::string> ignored_parameters(const models::ModelRequest& request) const override;
    bool takes_prefill(std::string_view) const override { return true; }

  private:
    http::Client& client_;
    const base::Clock& clock_;
    const Config config_;
    const http::Url url_;
};

}  // namespace tertulia::providers
