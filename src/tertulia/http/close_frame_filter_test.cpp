#include "tertulia/http/close_frame_filter.h"

#include <gtest/gtest.h>

#include "tertulia/http/test_frames.h"

namespace tertulia::http {
namespace {

using testing::close_payload;
using testing::frame;

struct Filtered {
    std::string bytes;
    std::optional<CloseCode> breach;
    bool operator==(const Filtered&) const = default;
};

// What goes on of `bytes` that come in pieces of `step`.
Filtered filter(std::string_view bytes, std::size_t step) {
    CloseFrameFilter filter;
    std::string out;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
        const std::string_view piece = bytes.substr(0, step);
        out += piece.substr(0, filter.pass(piece));
        out += filter.take();
    }
    return {out, filter.breach()};
}

TEST(CloseFrameFilter, says_the_right_code_however_the_frame_is_cut) {
    const std::string before = frame(testing::text, "hello") + frame(testing::text, std::string(300, 'x')) +
                               frame(testing::binary, std::string(70'000, 'y')) + frame(testing::ping, "") +
                               frame(testing::text, "a", {.fin = false}) + frame(testing::continuation, "\x88");
    const std::string after = frame(testing::close, close_payload(5000)) + "anything";
    struct Case {
        std::string given, becomes;
        std::optional<CloseCode> breach = {};
    };
    for (const Case& c : {
             Case{"", ""},
             Case{"x", "x"},
             Case{close_payload(1000, "caf\xc3\xa9"), close_payload(1000, "caf\xc3\xa9")},
             Case{close_payload(999), close_payload(999)},
             Case{close_payload(4999), close_payload(4999)},
             Case{close_payload(5000, "why"), close_payload(1002, "   "), CloseCode::protocol_error},
             Case{close_payload(65535), close_payload(1002), CloseCode::protocol_error},
             Case{close_payload(1000, "\xff"), close_payload(1007, " "), CloseCode::invalid_text},
             Case{close_payload(3000, std::string(122, 'x') + "\xc3"), close_payload(1007, std::string(123, ' ')),
                  CloseCode::invalid_text},
         }) {
        const Filtered wanted{before + frame(testing::close, c.becomes) + after, c.breach};
        for (const std::size_t step : {1, 2, 3, 7, 64, 1 << 20})
            EXPECT_EQ(filter(before + frame(testing::close, c.given) + after, step), wanted)
                << c.given.size() << " " << step;
    }
}

TEST(CloseFrameFilter, leaves_what_is_no_frame_as_it_is) {
    for (const std::string& bytes :
         {std::string("GET / HTTP/1.1\r\n\r\n"), frame(testing::close, close_payload(5000), {.mask = false}),
          frame(testing::close, std::string(126, '\xff')), std::string("\x88\xff") + std::string(20, '\xff')})
        for (const std::size_t step : {1, 5, 1000}) EXPECT_EQ(filter(bytes, step), (Filtered{bytes, {}}));
}

TEST(CloseFrameFilter, holds_a_close_frame_until_it_is_whole) {
    const std::string bytes = frame(testing::close, close_payload(1000, "bye"));
    CloseFrameFilter filter;
    EXPECT_EQ(filter.pass(bytes.substr(0, bytes.size() - 1)), 0u);
    EXPECT_EQ(filter.take(), "");
    EXPECT_EQ(filter.pass(bytes.substr(bytes.size() - 1)), 0u);
    EXPECT_EQ(filter.take(), bytes);
}

}  // namespace
}  // namespace tertulia::http
