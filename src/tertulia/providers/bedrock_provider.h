// Amazon Bedrock over HTTP: Converse, and InvokeModel with Anthropic's bodies.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/aws/credential_cache.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/client.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/provider_client.h"

namespace tertulia::providers {

/// Any model that Bedrock serves in one region, by its id, its inference profile's id or an ARN. Every call is signed
/// anew, at the moment when it is sent. Where the service says that the key has expired, the key is fetched again and
/// the call signed once more; likewise, by the server's own time, where the machine's clock is wrong. One per worker.
class BedrockProvider : public models::Provider {
  public:
    enum class Api : std::uint8_t { converse, invoke };

    struct Config {
        Api api = Api::converse;
        /// `https://bedrock-runtime.us-east-1.amazonaws.com`, or what stands in its place.
        http::Url base_url;
        std::string region;
        /// A Bedrock API key, sent as a bearer token. Empty: calls are signed with what `credentials` gives.
        base::Secret api_key;
        base::Milliseconds connect_limit{3000};
    };

    /// `client`, `credentials` (of the same worker) and `clock` outlive it.
    BedrockProvider(http::Client& client, aws::CredentialCache& credentials, const base::Clock& clock, Config config)
        : client_(client), credentials_(credentials), clock_(clock), config_(std::move(config)) {}

    std::string_view kind() const override;
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline deadline) override;
    std::vector<std::string> ignored_parameters(const models::ModelRequest&) const override { return {}; }
    bool takes_prefill(std::string_view model) const override;

  private:
    /// What may be mended by signing once more.
    enum class Mend : std::uint8_t { nothing, key, clock };

    http::ClientRequest make_request(const models::ModelRequest& request) const;
    void sign(http::ClientRequest& message, const aws::Credentials& credentials) const;
    async::Task<models::Attempt<OpenedAnswer>> send_signed(const models::ModelRequest& request,
                                                           aws::CredentialCache::Shared& used, std::stop_token stop,
                                                           base::Deadline deadline);
    async::Task<models::Attempt<OpenedAnswer>> send_with_key(const models::ModelRequest& request, std::stop_token stop,
                                                             base::Deadline deadline);
    Mend mend_of(const OpenedAnswer& answer) const;
    MakeReader make_reader(std::string model, base::Secret key) const;

    http::Client& client_;
    aws::CredentialCache& credentials_;
    const base::Clock& clock_;
    const Config config_;
    std::int64_t clock_offset_us_ = 0;  // of the service's clock from ours
};

}  // namespace tertulia::providers
