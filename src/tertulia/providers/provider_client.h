// The I/O that all providers over HTTP share: send, look at the head, read the answer on.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/client.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/wire_reader.h"

namespace tertulia::providers {

/// Makes the reader of an answer of this content type.
using MakeReader = std::function<std::unique_ptr<WireReader>(std::string_view content_type)>;

/// `base` with `path` after its own path and before its query (Azure's base URLs have one).
http::Url append_path(http::Url base, std::string_view path);

/// Sends `request` and returns the answer's stream once its head has come with status 200 to 299; any other status, and
/// any failure on the way, is a Failure whose message does not hold `key`. `client` and `clock` outlive the stream.
async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open_answer(
    http::Client& client, const base::Clock& clock, http::ClientRequest request, base::Secret key,
    MakeReader make_reader, std::stop_token stop, base::Deadline deadline);

}  // namespace tertulia::providers
