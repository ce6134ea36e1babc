// Keys of providers that are kept elsewhere.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tertulia/aws/credential_cache.h"
#include "tertulia/aws/secret_reference.h"
#include "tertulia/aws/shared_secret.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/random.h"
#include "tertulia/http/client.h"

namespace tertulia::app {

/// Which member of a secret that is a JSON object holds the key of a provider: `ANTHROPIC_API_KEY` for `anthropic`,
/// `OPENAI_API_KEY` for `openai` and `openai-responses`, `MY_ONE_API_KEY` for `my-one`.
std::string key_member(std::string_view provider);

/// All of them, one for each reference and member. Filled before the workers start. Shared; safe
/// from any thread.
class ProviderKeys {
  public:
    explicit ProviderKeys(const base::Clock& clock) : clock_(clock) {}

    aws::SharedSecret& of(const std::string& reference, const std::string& member) {
        return keys_.try_emplace(reference + " " + member, clock_).first->second;
    }

  private:
    const base::Clock& clock_;
    std::map<std::string, aws::SharedSecret> keys_;
};

/// What a worker asks AWS with. Value; what it refers to outlives what is made of it.
struct KeySource {
    http::Client& client;
    aws::CredentialCache& credentials;
    const base::Environment& environment;
    const base::Clock& clock;
    base::Random& random;
};

/// Fetches the key. An error's message is for the operator: it names the secret, never what is in it.
aws::SharedSecret::Fetch fetch_key(KeySource source, aws::SecretReference reference, std::string member);

}  // namespace tertulia::app
