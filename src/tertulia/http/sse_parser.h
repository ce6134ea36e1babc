// Server-sent events, parsed as they come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/base/error.h"

namespace tertulia::http {

/// One dispatched event. The views are valid until the parser is fed again (inside the callback). Value.
struct SseEvent {
    std::string_view type;  ///< "message" where the stream names none
    std::string_view data;  ///< lines joined with LF, without the last one's
    std::string_view last_event_id;
};

/// An incremental parser of `text/event-stream` (WHATWG HTML, 9.2.6 "Interpreting an event stream"): lines end with CR,
/// LF or CRLF, cut anywhere; one byte order mark at the start is dropped; an `id` with NUL is ignored; an event without
/// data is not dispatched; what the stream's end leaves unfinished is dropped. Bytes that are not UTF-8 are passed on
/// as they are. An event that lies whole in the fed bytes with one line of data costs no allocation and no copy. Value.
class SseParser {
  public:
    /// Room for what OpenAI's Responses API repeats in one event: the whole answer, its system text and its tools.
    static constexpr std::size_t default_max_event = std::size_t(16) << 20;

    /// `max_event`: the longest line and the longest data of one event, in bytes.
    explicit SseParser(std::size_t max_event = default_max_event) : max_event_(max_event) {}

    /// Calls `on_event(const SseEvent&)` for every event that `bytes` completes; `bytes` follow what was fed before. An
    /// event over the limit is Errc::upstream_unavailable, now and at every later call.
    template <class OnEvent>
    base::Result<void> feed(std::string_view bytes, OnEvent&& on_event) {
        Input input{.bytes = bytes};
        SseEvent event;
        for (;;) {
            switch (next(input, event)) {
                case Step::event:
                    on_event(std::as_const(event));
                    break;
                case Step::need_more:
                    return {};
                case Step::too_long:
                    return too_long();
            }
        }
    }

    /// The last `retry` field, in milliseconds.
    std::optional<std::uint64_t> retry_ms() const { return retry_ms_; }

  private:
    enum class Step { event, need_more, too_long };
    // The bytes of one feed, with the next CR and LF remembered: every byte is looked at twice, whatever the line ends.
    struct Input {
        std::string_view bytes;
        std::size_t at = 0;
        std::size_t lf = 0;
        std::size_t cr = 0;
        bool searched = false;

        std::size_t find_line_end();
    };

    Step next(Input& input, SseEvent& event);
    void skip_byte_order_mark(Input& input);
    bool take_line(std::string_view line, bool lasting);
    bool add_data(std::string_view value, bool lasting);
    bool dispatch(SseEvent& event);
    void forget_event();
    void keep_views();
    base::Result<void> too_long() const;

    std::size_t max_event_;
    std::string line_;            // the beginning of a line whose end has not come
    std::string data_;            // where the data is not one line of the bytes being fed
    std::string type_;            // where the type is not in the bytes being fed
    std::string id_;              // the stream's last event id
    std::string_view data_view_;  // into the fed bytes or data_
    std::string_view type_view_;  // into the fed bytes or type_
    std::optional<std::uint64_t> retry_ms_;
    bool has_data_ = false;
    bool data_kept_ = false;  // data_view_ is data_
    bool type_kept_ = false;  // type_view_ is type_
    bool dispatched_ = false;
    bool skip_lf_ = false;  // the last line ended with CR
    bool failed_ = false;
    int byte_order_mark_ = 0;  // how much of it was seen; -1: past it
};

}  // namespace tertulia::http
