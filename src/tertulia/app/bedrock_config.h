// What Amazon Bedrock's providers take from AWS's own settings.
#pragma once

#include "tertulia/app/config_loader.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"

namespace tertulia::app {

/// `bedrock-converse` or `bedrock-invoke`?
bool is_bedrock(const ProviderConfig& provider);

/// Completes the entries of the file: the region and the address that AWS's variables and profile give, and the key of
/// AWS_BEARER_TOKEN_BEDROCK where an entry has none. invalid_request: a region that is none.
base::Result<void> complete_bedrock(const base::Environment& environment, LoadedConfig& loaded);

/// Adds `bedrock` and `bedrock-invoke` where there is a key for them: AWS_BEARER_TOKEN_BEDROCK, or credentials of any
/// source but an instance's metadata service, which is not asked at the start. An entry of the name has replaced one.
void add_bedrock(const base::Environment& environment, LoadedConfig& loaded);

}  // namespace tertulia::app
