// The answer to an HTTP request that came in an event.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/http/client.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/http/server.h"
#include "tertulia/lambda/events.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/runtime_client.h"

namespace tertulia::lambda {

/// What the buffered and the streamed answer share. One per worker.
class HttpWriter : public http::ResponseWriter {
  public:
    /// All of them outlive this.
    HttpWriter(const http::ServerOptions& options, const http::Request& request, EventShape shape,
               base::Deadline answer_by)
        : options_(options), request_(request), shape_(shape), answer_by_(answer_by) {}

    async::Task<bool> respond(http::Response response) override;
    async::Task<bool> start_stream(http::Response response) override;
    async::Task<bool> write(std::string_view bytes) override;
    async::Task<bool> finish() override;
    bool started() const override { return state_ != State::fresh; }
    void on_close(std::function<void()> closed) override { closed_ = std::move(closed); }
    base::Deadline answer_by() const override { return answer_by_; }

    /// Tells who watches (`on_close`) that nobody listens any more.
    void close();
    /// The time is up: what is there is the answer, or else `instead`. Whoever writes learns that nobody listens.
    virtual async::Task<void> cut(http::Response instead);
    bool is_complete() const { return state_ == State::done; }
    int status() const { return status_; }
    std::uint64_t body_bytes() const { return body_bytes_; }

    /// Gives what there is to Lambda, to the end; where it is not whole, `failure` is why.
    virtual async::Task<Posted> deliver(const base::Error& failure) = 0;

  protected:
    enum class State { fresh, streaming, done, broken };

    /// `response` has all its fields by now; `body`: what is to go with it.
    virtual async::Task<bool> send_head(http::Response response) = 0;
    virtual async::Task<bool> send(std::string_view bytes) = 0;

    const http::ServerOptions& options_;
    const http::Request& request_;
    const EventShape shape_;

  private:
    async::Task<bool> begin(http::Response response, State next);

    base::Deadline answer_by_;
    State state_ = State::fresh;
    int status_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::function<void()> closed_;
};

/// Keeps the answer until it is whole. One per worker.
class BufferedWriter final : public HttpWriter {
  public:
    BufferedWriter(const http::ServerOptions& options, const http::Request& request, EventShape shape,
                   base::Deadline answer_by, RuntimeClient& runtime, const Invocation& invocation)
        : HttpWriter(options, request, shape, answer_by), runtime_(runtime), invocation_(invocation) {}

    bool is_live() const override { return false; }
    async::Task<Posted> deliver(const base::Error& failure) override;

  private:
    async::Task<bool> send_head(http::Response response) override;
    async::Task<bool> send(std::string_view bytes) override;

    RuntimeClient& runtime_;
    const Invocation& invocation_;
    http::Response answer_;
};

/// Sends the answer as it comes; a failure in its midst goes into the trailers. One per worker.
class StreamingWriter final : public HttpWriter {
  public:
    StreamingWriter(const http::ServerOptions& options, const http::Request& request, EventShape shape,
                    RuntimeClient& runtime, const Invocation& invocation)
        : HttpWriter(options, request, shape, base::Deadline::never()), runtime_(runtime), invocation_(invocation) {}

    void note_failure(const base::Error& error) override;
    async::Task<void> cut(http::Response instead) override;
    async::Task<Posted> deliver(const base::Error& failure) override;

  private:
    async::Task<bool> send_head(http::Response response) override;
    async::Task<bool> send(std::string_view bytes) override;

    RuntimeClient& runtime_;
    const Invocation& invocation_;
    std::stop_source stop_;
    std::shared_ptr<http::ClientUpload> upload_;  // shared with the write under way
    bool is_sending_ = false;
    std::optional<base::Error> failure_;
};

}  // namespace tertulia::lambda
