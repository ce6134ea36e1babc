// `tertulia usage`: what turns have used and cost, as a table.
#pragma once

#include <iosfwd>
#include <string>

#include "tertulia/base/secret.h"

namespace tertulia::cli {

/// Value.
struct UsageOptions {
    std::string url = "http://127.0.0.1:8080";
    std::string group_by = "model,day";
    std::string from = {};  ///< inclusive: YYYY-MM-DD or RFC 3339; empty: from the beginning
    std::string to = {};    ///< exclusive; empty: until now
    base::Secret token = {};
};

/// Asks a running server and prints its answer. The exit code: 0, 1 where it gave none, 2 where `url` is none or the
/// server refuses the question.
int run_usage(const UsageOptions& options, std::ostream& out, std::ostream& err);

}  // namespace tertulia::cli
