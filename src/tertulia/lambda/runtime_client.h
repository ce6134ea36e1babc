// Lambda's Runtime API, as its client.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/client.h"
#include "tertulia/lambda/invocation.h"

namespace tertulia::lambda {

/// What became of an answer.
enum class Posted {
    taken,
    refused,  ///< it was too large (413), or came too late or twice (400, 403): go on with the next
    lost,     ///< nobody took it
    broken,   ///< the sandbox is done for (500): exit
};

/// The calls that a runtime makes (`AWS_LAMBDA_RUNTIME_API`, plain HTTP/1.1). One per worker.
class RuntimeClient {
  public:
    /// `api`: `HOST:PORT`. invalid_request: it is not that.
    static base::Result<RuntimeClient> make(http::Client& client, const base::Clock& clock, std::string_view api);

    /// Waits for an invocation, for as long as it takes.
    async::Task<base::Result<Invocation>> next(std::stop_token stop);

    async::Task<Posted> respond(const Invocation& invocation, std::string payload);
    async::Task<Posted> fail(const Invocation& invocation, InvocationError error);
    /// Begins a streamed answer whose first chunk is `prelude` (answers.h). `stop` breaks it off.
    async::Task<base::Result<std::unique_ptr<http::ClientUpload>>> stream(const Invocation& invocation,
                                                                          std::string prelude, std::stop_token stop);
    /// Ends it. `failure`: what went wrong in its midst, for the trailers.
    async::Task<Posted> end_stream(http::ClientUpload& upload, const InvocationError* failure);

    /// The function cannot be started; exit after that.
    async::Task<void> fail_init(InvocationError error);

    /// Registers an extension inside this process, without which Lambda ends it without SIGTERM; the identifier.
    async::Task<base::Result<std::string>> register_extension();
    /// Says that the extension is ready, and then hears nothing, until `stop`.
    async::Task<void> wait_as_extension(std::string identifier, std::stop_token stop);

  private:
    RuntimeClient(http::Client& client, const base::Clock& clock, http::Url url)
        : client_(&client), clock_(&clock), url_(std::move(url)) {}

    http::ClientRequest request(std::string method, std::string target) const;
    http::ClientRequest answer(const Invocation& invocation, std::string_view what) const;
    async::Task<Posted> post(http::ClientRequest request);

    http::Client* client_;
    const base::Clock* clock_;
    http::Url url_;
};

}  // namespace tertulia::lambda
