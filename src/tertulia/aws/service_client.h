// Calls of AWS's services.
#pragma once

#include <expected>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/aws/retry_policy.h"
#include "tertulia/aws/service_error.h"
#include "tertulia/aws/sigv4.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/random.h"
#include "tertulia/http/client.h"

namespace tertulia::aws {

/// Which service, where, and how patiently. Value.
struct ServiceConfig {
    http::Url base_url;
    std::string region;
    /// As signatures name it: "dynamodb", "lambda", "execute-api", "secretsmanager", "ssm", "states".
    std::string service;
    SigningRules rules = {};
    RetrySettings retry = {};
    base::Milliseconds connect_limit{3000};
    /// For each attempt; the call's own deadline holds besides.
    base::Milliseconds attempt_limit{30'000};
    /// A longer answer is an error (too_large).
    std::size_t answer_limit = 16 << 20;
};

/// The usual: the address of `service_url`, signed for `service`. invalid_request: a region that is none, an
/// AWS_ENDPOINT_URL that is none.
base::Result<ServiceConfig> service_config(const base::Environment& environment, std::string_view service,
                                           std::string region);

/// Value.
struct ServiceRequest {
    std::string method = "POST";
    /// Path and query as they are sent (percent-encoded), behind the path of the service's address.
    std::string target = "/";
    http::Headers headers = {};
    std::string body = {};
    /// Does it do no harm to do it twice? Otherwise it is repeated only where it is certain that it was not done.
    bool is_repeatable = true;
};

/// A call in AWS's JSON protocol: `operation` is the whole `X-Amz-Target` ("DynamoDB_20120810.Query"), `version` "1.0"
/// (DynamoDB, Step Functions) or "1.1" (Secrets Manager, SSM).
ServiceRequest json_request(std::string_view operation, std::string body, std::string_view version = "1.0");

/// Of status 200 to 299. Value.
struct ServiceAnswer {
    int status = 200;
    http::Headers headers = {};
    std::string body = {};
    /// How many requests were sent for it.
    int attempts = 1;
};

using ServiceResult = std::expected<ServiceAnswer, ServiceError>;

/// Signs, sends, reads the whole answer, and does so again as `RetryPolicy` says: credentials that have expired are
/// fetched anew once, a clock that is wrong is corrected by the answer's `Date` once (and stays so for the calls that
/// follow), an answer whose bytes do not match its `x-amz-crc32` counts as cut off. One per worker.
class ServiceClient {
  public:
    /// All of them outlive it.
    ServiceClient(http::Client& client, CredentialCache& credentials, const base::Clock& clock, base::Random& random,
                  ServiceConfig config);
    ServiceClient(const ServiceClient&) = delete;

    ~ServiceClient() = default;

    const ServiceConfig& config() const { return config_; }

    /// A wait that would outlast `deadline` is not begun: then the last failure is the result.
    async::Task<ServiceResult> send(ServiceRequest request, std::stop_token stop, base::Deadline deadline);

  private:
    struct Attempt;  // what one of them came to

    async::Task<Attempt> attempt(const ServiceRequest& request, const Credentials& credentials, std::stop_token stop,
                                 base::Deadline deadline);
    http::ClientRequest make_request(const ServiceRequest& request, const Credentials& credentials) const;
    RetryPolicy::Failed failure_of(const Attempt& attempt) const;
    std::int64_t now_us() const { return clock_.wall_us() + clock_offset_us_; }
    double random() const;

    http::Client& client_;
    CredentialCache& credentials_;
    const base::Clock& clock_;
    base::Random& random_;
    const ServiceConfig config_;
    RetryQuota quota_;
    std::int64_t clock_offset_us_ = 0;
};

}  // namespace tertulia::aws
