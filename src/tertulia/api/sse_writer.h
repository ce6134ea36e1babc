// A turn's events as server-sent events.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/sessions/turn_log.h"

namespace tertulia::api {

/// Renders the events of one turn for one client (WHATWG HTML, 9.2 "Server-sent events"), each as
/// `id: <turn>:<number>`, `event: <name>`, `data: <JSON>` and an empty line. JSON text holds no line end, so every
/// event has one line of data. Value.
class SseWriter {
  public:
    /// `request_id`: for the body of an error.
    SseWriter(std::string_view turn_id, std::string_view request_id)
        : id_line_("id: " + std::string(turn_id) + ":"), request_id_(request_id) {}

    /// Appends all events of `batch`, in order. `started` and `result` are the log's: needed as soon as the batch holds
    /// the first event, or usage and the terminal one.
    void append(std::string& out, const sessions::EventBatch& batch, const sessions::TurnStarted& started,
                const sessions::TurnResult* result) const;

    /// What is sent while the model is silent, so that nothing on the way closes the connection: a comment.
    static constexpr std::string_view heartbeat = ": heartbeat\n\n";

  private:
    void append_end(std::string& out, const sessions::TurnResult& result) const;

    std::string id_line_;
    std::string request_id_;
};

}  // namespace tertulia::api
