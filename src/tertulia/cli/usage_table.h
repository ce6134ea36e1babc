// A report of `GET /usage` for the terminal.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::cli {

/// The answer's rows as a table with its total, texts at the left and numbers at the right; columns that hold nothing
/// but zeros are left out (but for turns, input, output and usd). Bytes that would steer a terminal are left out.
/// upstream_rejected where the answer is none of this API. Pure.
base::Result<std::string> usage_table(std::string_view answer);

}  // namespace tertulia::cli
