// The answer to one request, as it goes to the socket.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/http/connection.h"
#include "tertulia/http/head.h"
#include "tertulia/http/response_writer.h"

namespace tertulia::http {

/// Belongs to the connection's task. One per worker.
class Exchange final : public ResponseWriter {
  public:
    /// `request`: null where not even the head could be read; a stream, which may last for minutes, forgets its
    /// headers. Both outlive this.
    Exchange(Connection& connection, Request* request, bool keep_alive, bool http_1_0)
        : connection_(connection),
          request_(request),
          keep_alive_(keep_alive),
          http_1_0_(http_1_0),
          takes_trailers_(request && !http_1_0 && list_has(request->headers, "te", "trailers")),
          to_head_(request && request->method == "HEAD") {}

    async::Task<bool> respond(Response response) override;
    async::Task<bool> start_stream(Response response) override;
    async::Task<bool> write(std::string_view bytes) override;
    async::Task<bool> finish() override;
    bool takes_trailers() const override { return takes_trailers_ && !to_head_; }
    async::Task<bool> finish_with(Headers trailers) override;
    async::Task<Connection*> take_over(Response head) override;
    bool started() const override { return state_ != State::fresh; }
    void on_close(std::function<void()> closed) override { connection_.watch_close(std::move(closed)); }

    /// Was the whole answer sent, so that the connection may go on?
    bool is_complete() const { return state_ == State::done; }
    bool keep_alive() const { return keep_alive_; }
    int status() const { return status_; }
    std::uint64_t body_bytes() const { return body_bytes_; }

  private:
    enum class State { fresh, streaming, done, broken };

    std::string head(Response& response, bool has_length);
    bool settle(bool sent, State next);

    Connection& connection_;
    Request* request_;
    bool keep_alive_;
    bool http_1_0_;
    bool takes_trailers_;
    bool to_head_;
    State state_ = State::fresh;
    int status_ = 0;
    std::uint64_t body_bytes_ = 0;
};

/// `Not Found`, ...; empty for a status without a registered phrase.
std::string_view reason_phrase(int status);

}  // namespace tertulia::http
