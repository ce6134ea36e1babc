#include "tertulia/http/pooled_upload.h"

#include "tertulia/http/outgoing_request.h"

namespace tertulia::http {

async::Task<base::Result<void>> PooledUpload::write(std::string_view bytes, base::Deadline deadline) {
    if (bytes.empty()) co_return base::Result<void>();
    const std::string chunk = render_chunk(bytes);
    co_return co_await response_->write(chunk, deadline);
}

async::Task<base::Result<std::unique_ptr<ClientResponse>>> PooledUpload::finish(Headers trailers,
                                                                                base::Deadline deadline) {
    const auto end = render_last_chunk(trailers);
    if (!end) co_return std::unexpected(end.error());
    bool began = false;
    if (auto exchanged = co_await response_->exchange(*end, deadline, began); !exchanged)
        co_return std::unexpected(std::move(exchanged.error()));
    co_return std::unique_ptr<ClientResponse>(std::move(response_));
}

}  // namespace tertulia::http
