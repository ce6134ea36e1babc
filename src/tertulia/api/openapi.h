// The description of the API.
#pragma once

#include <string_view>

namespace tertulia::api {

/// The text of openapi.json (OpenAPI 3.1), which the build puts into the binary.
extern const std::string_view openapi_json;

}  // namespace tertulia::api
