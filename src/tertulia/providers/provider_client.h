// The I/O that all providers over HTTP share: send, look at the head, read the answer on.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
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

/// An answer whose head has come; where its status is not 200 to 299, with the beginning of its body too. Value.
struct OpenedAnswer {
    std::unique_ptr<http::ClientResponse> response;
    std::string error_body;

    bool is_good() const { return response->status >= 200 && response->status <= 299; }
};

/// Sends `request` and waits for the answer's head. What fails on the way is a Failure whose message does not hold
/// `key`.
async::Task<models::Attempt<OpenedAnswer>> send_request(http::Client& client, http::ClientRequest request,
                                                        base::Secret key, std::stop_token stop,
                                                        base::Deadline deadline);

/// The stream of a good answer.
std::unique_ptr<models::AnswerStream> read_answer(std::unique_ptr<http::ClientResponse> response,
                                                  const MakeReader& make_reader, base::Secret key,
                                                  std::stop_token stop);

/// Sends `request` and returns the answer's stream once its head has come with status 200 to 299; any other status, and
/// any failure on the way, is a Failure whose message does not hold `key`. `client` and `clock` outlive the stream.
async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open_answer(
    http::Client& client, const base::Clock& clock, http::ClientRequest request, base::Secret key,
    MakeReader make_reader, std::stop_token stop, base::Deadline deadline);

}  // namespace tertulia::providers
