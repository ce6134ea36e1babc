// For the providers' .cpp files only: it brings all of simdjson.
#pragma once

#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {

/// From the value of an `error` member.
ProviderError to_provider_error(const dom::element& value);

}  // namespace tertulia::providers
