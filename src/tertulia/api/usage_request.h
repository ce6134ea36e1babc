// `GET /usage`: its query and its answer.
#pragma once

#include <optional>
#include <string>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/sessions/usage_query.h"

namespace tertulia::api {

/// What a client may ask. Value.
struct UsageRequest {
    sessions::UsageQuery query;
    bool as_csv = false;
};

/// `group_by=session,owner,model,day` (any of them, in any order), `from` (inclusive) and `to` (exclusive) as
/// YYYY-MM-DD or RFC 3339, `format=json|csv`. invalid_request, with what is allowed. The owner is left empty. Pure.
base::Result<UsageRequest> parse_usage_request(const http::Request& request);

/// `{"rows": [...], "total": {...}}`; without groups the one row is the total. `unpriced_turns` stands only where there
/// are some. Money has nine decimals. Pure.
std::string usage_json(const sessions::UsageReport& report, const std::vector<sessions::UsageGroup>& groups);

/// The rows as a table of RFC 4180, with the members of the JSON rows as columns. Pure.
std::string usage_csv(const sessions::UsageReport& report, const std::vector<sessions::UsageGroup>& groups);

}  // namespace tertulia::api
