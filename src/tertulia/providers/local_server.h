// Questions to a model server on this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/client.h"

namespace tertulia::providers {

/// Does `GET url` answer 200? false: it answers something else (llama.cpp says 503 while it loads its model). An error
/// where there is no answer by the deadline.
async::Task<base::Result<bool>> is_healthy(http::Client& client, http::Url url, base::Deadline deadline);

/// The context window in tokens of the model that the server at `base_url` (`http://127.0.0.1:8080/v1`) runs: llama.cpp
/// tells it in `GET {base_url}/models` as `data[0].meta.n_ctx`. Nothing where it does not say.
async::Task<std::optional<std::int64_t>> ask_context_window(http::Client& client, http::Url base_url,
                                                            base::Deadline deadline);

/// The parsing half of ask_context_window. Pure.
std::optional<std::int64_t> parse_context_window(std::string_view models_json);

}  // namespace tertulia::providers
