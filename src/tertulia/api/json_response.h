// An answer whose body is JSON.
#pragma once

#include <string>
#include <utility>

#include "tertulia/http/message.h"

namespace tertulia::api {

inline http::Response json_response(int status, std::string body) {
    return {.status = status, .content_type = "application/json", .headers = {}, .body = std::move(body)};
}

}  // namespace tertulia::api
