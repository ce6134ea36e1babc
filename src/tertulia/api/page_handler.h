// The server's own page: web/index.html, which travels in the binary.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"

namespace tertulia::api {

/// The Content-Security-Policy (W3C CSP Level 3) that lets `html` run its inline `<script>` and `<style>` elements,
/// named by their hashes, and talk to its own server: nothing else, and no page may frame it. Such an element has no
/// attributes.
std::string content_security_policy(std::string_view html);

/// One per worker.
class PageHandler {
  public:
    PageHandler();

    /// `GET /`: the page, or 304 where the client has it already.
    async::Task<void> page(http::Request& request, http::ResponseWriter& writer);

  private:
    std::string policy_;
    std::string etag_;
};

}  // namespace tertulia::api
