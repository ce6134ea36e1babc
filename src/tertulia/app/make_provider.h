// From the configuration of a provider to the provider.
#pragma once

#include "tertulia/app/config.h"
#include "tertulia/app/provider_keys.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/http/client.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::app {

/// What the providers of a worker have in common; it outlives them. Value.
struct ProviderParts {
    const Config::Deadlines& deadlines;
    http::Client& client;
    aws::CredentialCache& credentials;
    ProviderKeys& keys;
    const base::Environment& environment;
    const base::Clock& clock;
    base::Random& random;
    const telemetry::Log& log;
};

/// The directory's entry for one provider of a worker. invalid_request where its address is none.
base::Result<models::ModelDirectory::Entry> make_provider(const ProviderConfig& config, ProviderParts parts);

}  // namespace tertulia::app
