// An answer that is read from a pooled connection.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tertulia/http/client.h"
#include "tertulia/http/client_core.h"
#include "tertulia/http/inflate.h"
#include "tertulia/http/response_parser.h"

namespace tertulia::http {

/// One per worker.
class PooledResponse final : public ClientResponse {
  public:
    PooledResponse(std::shared_ptr<ClientCore> core, std::shared_ptr<Flight> flight, const std::stop_token& stop,
                   ClientCore::Lease lease, bool to_head);

    /// The connection is closed after the answer.
    void use_once() { used_once_ = true; }
    /// Sends a part of the request.
    async::Task<base::Result<void>> write(std::string_view bytes, base::Deadline deadline);
    /// Sends the request, or the rest of it, and waits for the answer's head. `began`: did any byte of it come?
    async::Task<base::Result<void>> exchange(std::string_view request, base::Deadline deadline, bool& began);

    std::optional<base::Result<std::string_view>> try_read() override;
    async::PolledSocket::Wait ready(base::Deadline deadline) override;
    bool is_complete() const override;

  private:
    // What the body goes through where it is encoded.
    struct Decoder {
        Inflater inflater;
        bool ended = false;
        std::string backlog;  // encoded, not yet decoded
        std::string decoded;
    };
    /// Finds the next `bytes_` (none: the end), or fails. False: more has to be read first, for `take`.
    bool advance();
    void take(IoResult io);
    base::Result<std::string_view> unframe(std::span<char> raw);
    void inflate(std::string_view in);
    void end_of_body(bool clean);
    std::unexpected<base::Error> explain(base::Error error, std::string_view what) const;
    void remember(base::Error error);

    std::shared_ptr<ClientCore> core_;
    std::shared_ptr<Flight> flight_;
    std::optional<ClientCore::Lease> lease_;  // until the body's end
    bool used_once_ = false;
    std::optional<StopCallback> stop_callback_;
    ResponseParser parser_;
    std::unique_ptr<Decoder> decoder_;
    std::string_view bytes_;                // of the body, decoded
    std::span<char> raw_;                   // came from the connection and was not looked at yet
    std::unique_ptr<std::string> pending_;  // came with the head, until all of it was read
    bool may_read_ = true;                  // once for each wait: however much comes, others have their turn
    std::unique_ptr<base::Error> failed_;
};

}  // namespace tertulia::http
