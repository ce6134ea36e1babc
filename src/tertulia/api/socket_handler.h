// `GET /ws`.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "tertulia/api/chat_handler.h"
#include "tertulia/async/task.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// Value.
struct SocketSettings {
    /// Pages of these origins may connect beside the server's own; `*`: all.
    std::vector<std::string> origins;
    /// What a client may bear as a subprotocol; empty: none is asked for.
    base::Secret token;
    std::size_t message_limit = std::size_t(1) << 20;
    /// A socket whose client is silent for this long is closed.
    base::Milliseconds idle_limit{120'000};
};

/// Lets a client in, and serves it until it leaves. One per worker.
class SocketHandler {
  public:
    SocketHandler(sessions::SessionService& sessions, const base::Clock& clock, ChatDefaults defaults,
                  SocketSettings settings, std::function<void(const std::string&)> on_bug)
        : sessions_(sessions),
          clock_(clock),
          defaults_(defaults),
          settings_(std::move(settings)),
          on_bug_(std::move(on_bug)) {}

    /// May it be opened from there? The subprotocol to answer with, or empty. forbidden.
    base::Result<std::string> admit(const http::Request& request) const;
    async::Task<void> open(http::Request& request, http::ResponseWriter& writer);

  private:
    sessions::SessionService& sessions_;
    const base::Clock& clock_;
    const ChatDefaults defaults_;
    const SocketSettings settings_;
    const std::function<void(const std::string&)> on_bug_;
};

}  // namespace tertulia::api
