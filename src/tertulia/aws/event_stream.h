// AWS event streams, parsed as they come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/base/error.h"

namespace tertulia::aws {

/// The media type of such a stream.
inline constexpr std::string_view event_stream_type = "application/vnd.amazon.eventstream";

/// One message, with the headers that mean something to a client; empty where it has no such header. The views are
/// valid until the parser is fed again (inside the callback). Value.
struct EventStreamMessage {
    std::string_view message_type;    ///< `:message-type`: "event", "exception", "error"
    std::string_view event_type;      ///< `:event-type`, of an event
    std::string_view exception_type;  ///< `:exception-type`, of an exception
    std::string_view error_code;      ///< `:error-code`, of an error
    std::string_view error_message;   ///< `:error-message`, of an error
    std::string_view content_type;    ///< `:content-type`, of the payload
    std::string_view payload;
};

/// An incremental parser of `application/vnd.amazon.eventstream` (Smithy 2.0, "Amazon Event Stream specification"):
/// both CRC-32s are checked, the first before its length is believed; headers of all ten types are read, and those that
/// EventStreamMessage does not have are passed over. A message that lies whole in the fed bytes costs no allocation and
/// no copy; memory grows with the bytes that came, not with a length that was only announced. Value.
class EventStreamParser {
  public:
    static constexpr std::size_t default_max_message = std::size_t(16) << 20;
    static constexpr std::size_t max_headers = std::size_t(128) << 10;

    /// `max_message`: the longest message, in bytes, with its headers and frame.
    explicit EventStreamParser(std::size_t max_message = default_max_message) : max_message_(max_message) {}

    /// Calls `on_message(const EventStreamMessage&)` for every message that `bytes` complete; `bytes` follow what was
    /// fed before. A wrong checksum or length, a malformed header or a message over the limit is
    /// Errc::upstream_unavailable, now and at every later call: where the next message begins is not known any more.
    template <class OnMessage>
    base::Result<void> feed(std::string_view bytes, OnMessage&& on_message) {
        EventStreamMessage message;
        for (;;) {
            switch (next(bytes, message)) {
                case Step::message:
                    on_message(std::as_const(message));
                    break;
                case Step::need_more:
                    return {};
                case Step::broken:
                    return broken();
            }
        }
    }

    /// May the stream end here? False inside a message, and once it is broken.
    bool is_between_messages() const { return kept_.empty() && !problem_; }

  private:
    enum class Step : std::uint8_t { message, need_more, broken };

    Step next(std::string_view& bytes, EventStreamMessage& message);
    bool keep_until(std::size_t size, std::string_view& bytes);
    bool read_prelude(std::string_view frame);
    Step read_frame(std::string_view frame, EventStreamMessage& message);
    Step fail(const char* problem);
    base::Result<void> broken() const;

    std::size_t max_message_;
    std::string kept_;               // the beginning of a message whose end has not come
    std::uint32_t total_ = 0;        // of the message that begins; 0: its prelude has not been read
    std::uint32_t headers_ = 0;      // the size of its headers
    std::uint32_t crc_ = 0;          // of its first eight bytes
    const char* problem_ = nullptr;  // why the stream is broken
    bool kept_is_given_ = false;     // kept_ is the message that the callback has
};

}  // namespace tertulia::aws
