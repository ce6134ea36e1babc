// Where AWS's services are.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/aws/profiles.h"
#include "tertulia/base/environment.h"

namespace tertulia::aws {

/// AWS_REGION, else AWS_DEFAULT_REGION, else the `region` of the profile in use, else us-east-1.
std::string find_region(const base::Environment& environment, const Profiles& profiles);

/// Letters, digits and hyphens: it becomes a part of a host's name.
bool is_region(std::string_view text);

/// The base URL of a service ("bedrock-runtime", "sts") in a region: AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL,
/// else AWS's own.
std::string service_url(const base::Environment& environment, std::string_view service, std::string_view region);

}  // namespace tertulia::aws
