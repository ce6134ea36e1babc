// A request that is written to a pooled connection as it comes.
#pragma once

#include <memory>

#include "tertulia/http/client.h"
#include "tertulia/http/pooled_response.h"

namespace tertulia::http {

/// One per worker.
class PooledUpload final : public ClientUpload {
  public:
    /// `response`: of the request whose head was sent.
    explicit PooledUpload(std::unique_ptr<PooledResponse> response) : response_(std::move(response)) {}

    async::Task<base::Result<void>> write(std::string_view bytes, base::Deadline deadline) override;
    async::Task<base::Result<std::unique_ptr<ClientResponse>>> finish(Headers trailers,
                                                                      base::Deadline deadline) override;

  private:
    std::unique_ptr<PooledResponse> response_;
};

}  // namespace tertulia::http
