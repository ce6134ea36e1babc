// From the configuration of a provider to the provider.
#pragma once

#include "tertulia/app/config.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/client.h"
#include "tertulia/models/model_directory.h"

namespace tertulia::app {

/// The directory's entry for one provider of a worker. `client`, `credentials` and `clock` outlive it. invalid_request
/// where its address is none.
base::Result<models::ModelDirectory::Entry> make_provider(const ProviderConfig& config,
                                                          const Config::Deadlines& deadlines, http::Client& client,
                                                          aws::CredentialCache& credentials, const base::Clock& clock);

}  // namespace tertulia::app
