// Where credentials come from.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/aws/credentials.h"
#include "tertulia/aws/profiles.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"
#include "tertulia/http/client.h"

namespace tertulia::aws {

/// The places that are looked at, in this order (AWS SDKs and Tools Reference Guide, "Standardized credential
/// providers").
enum class CredentialSource : std::uint8_t {
    environment,   ///< AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
    web_identity,  ///< AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, through STS
    profile,       ///< the profile in use: role_arn, keys, credential_process
    container,     ///< AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
    instance,      ///< the metadata service of an EC2 instance (IMDSv2)
};

/// The first of them that is set up: `instance` where none is and AWS_EC2_METADATA_DISABLED does not say true (whether
/// there is one shows only when it is asked); nothing: none. What is set up and does not work is an error, not a reason
/// to go on. Pure.
std::optional<CredentialSource> find_credential_source(const base::Environment& environment, const Profiles& profiles);

/// Fetches credentials from the first source. Reads the files anew each time. One per worker.
class CredentialChain {
  public:
    /// `client` (of the same worker) and `clock` outlive it.
    CredentialChain(http::Client& client, const base::Clock& clock, base::Environment environment)
        : client_(client), clock_(clock), environment_(std::move(environment)) {}

    /// Errors, for people: unauthenticated and forbidden (there are none, or what is set up is wrong or refused),
    /// upstream_unavailable and timed_out (the source cannot be reached now), unavailable ("stopped").
    async::Task<base::Result<Credentials>> fetch(std::stop_token stop, base::Deadline deadline) const;

  private:
    struct Call {  // what every step of one fetch needs
        const Profiles& profiles;
        std::stop_token stop;
        base::Deadline deadline;
    };
    struct Answer {
        int status = 0;
        std::string body;
    };

    async::Task<base::Result<Credentials>> from_source(CredentialSource source, const Call& call) const;
    base::Result<Credentials> from_environment() const;
    async::Task<base::Result<Credentials>> from_web_identity(std::string role, std::string token_file,
                                                             std::string session_name, const Call& call) const;
    async::Task<base::Result<Credentials>> from_profile(std::string name, int depth, const Call& call) const;
    async::Task<base::Result<Credentials>> from_role(const Profile& profile, std::string name, int depth,
                                                     const Call& call) const;
    async::Task<base::Result<Credentials>> from_process(std::string command, const Call& call) const;
    async::Task<base::Result<Credentials>> from_container(const Call& call) const;
    async::Task<base::Result<Credentials>> from_instance(const Call& call) const;

    async::Task<base::Result<Credentials>> ask_sts(std::string form, const Credentials* signer, const Call& call) const;
    async::Task<base::Result<Answer>> ask(http::ClientRequest request, base::Milliseconds limit,
                                          const Call& call) const;
    std::string session_name(std::string_view given) const;

    http::Client& client_;
    const base::Clock& clock_;
    const base::Environment environment_;
};

}  // namespace tertulia::aws
