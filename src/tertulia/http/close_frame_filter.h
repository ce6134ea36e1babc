// What a WebSocket's client says in its close frame, before Beast hears it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/http/websocket.h"

namespace tertulia::http {

/// Beast answers a client's close code that no RFC gives to anybody (5000 and above) with the same code, and a reason
/// that is not UTF-8 with 1002. Both are breaches of RFC 6455 (7.4.2, 8.1) with codes of their own, so such a frame is
/// made one that says that code: Beast repeats it. The bytes of the client's frames go through here; a close frame is
/// held until all of it has come. Whatever else is wrong with them is left to Beast. Value.
class CloseFrameFilter {
  public:
    /// How many of these bytes, at their front, may go on; the rest is held, and goes on after them.
    std::size_t pass(std::string_view bytes);
    /// What was held and may go on now.
    std::string take();
    /// The close code that the client ought to get for its close frame; nothing: there is nothing wrong with it.
    std::optional<CloseCode> breach() const { return breach_; }

  private:
    enum class State { head, payload, close, done };

    std::size_t pass_payload(std::size_t available);
    bool take_head(unsigned char byte);
    void hold(std::string_view bytes);
    void mend();

    State state_ = State::head;
    std::string head_;  // of the frame that begins
    std::uint64_t payload_left_ = 0;
    std::string held_;
    std::optional<CloseCode> breach_;
};

}  // namespace tertulia::http
