#include "tertulia/cli/chat_screen.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <ostream>

#include "tertulia/base/json.h"

namespace tertulia::cli {
namespace {

std::string member(const boost::json::value& value, std::string_view name) {
    const auto* object = value.if_object();
    const auto* found = object ? object->if_contains(name) : nullptr;
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

// What a model writes must not steer the terminal: escape sequences can set its title, move the cursor over what was
// said before, or more. C0 controls but line ends and tabs, DEL, and C1 (two bytes in UTF-8) become U+FFFD.
std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
            out += "\ufffd";
            ++i;
        } else if (byte == '\r') {
            continue;  // of a CRLF; alone it would write over the line
        } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
            out += "\ufffd";
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

void ChatScreen::begin() {
    ended_ = failed_ = thinking_ = mid_line_ = false;
}

void ChatScreen::on_event(std::string_view type, std::string_view data) {
    const auto parsed = base::parse_json(data);
    if (!parsed) return fail("the server sent an event that is not JSON");
    if (type == "turn.started") {
        session_id_ = member(*parsed, "session_id");
    } else if (type == "text.delta") {
        const std::string text = printable(member(*parsed, "text"));
        if (text.empty()) return;
        if (thinking_) err_ << '\n' << std::flush;
        thinking_ = false;
        out_ << text << std::flush;
        mid_line_ = text.back() != '\n';
    } else if (type == "thinking.delta") {
        if (!thinking_) err_ << "(thinking ...)" << std::flush;
        thinking_ = true;
    } else if (type == "turn.completed") {
        ended_ = true;
        const std::string reason = member(*parsed, "stop_reason");
        if (reason == "max_tokens" || reason == "context_exceeded") {
            if (mid_line_) out_ << '\n' << std::flush;
            mid_line_ = false;
            err_ << "(the answer is cut: " << reason << ")\n";
        }
    } else if (type == "turn.failed" || type == "turn.cancelled" || type == "turn.interrupted") {
        fail(member(*parsed, "message"));
    }
}

void ChatScreen::on_error_body(int status, std::string_view body) {
    const auto parsed = base::parse_json(body);
    const std::string message = parsed ? member(*parsed, "message") : std::string();
    if (parsed && session_id_.empty()) session_id_ = member(*parsed, "session_id");
    fail(message.empty() ? fmt::format("the server answered with status {}", status) : message);
}

bool ChatScreen::end() {
    if (!ended_ && !failed_) fail("the connection ended before the answer did; the server goes on with it");
    if (mid_line_) out_ << '\n' << std::flush;
    mid_line_ = false;
    return !failed_;
}

void ChatScreen::fail(std::string_view what) {
    if (mid_line_ || thinking_) out_ << '\n' << std::flush;
    mid_line_ = thinking_ = false;
    err_ << "error: " << printable(what.empty() ? "the turn did not complete" : what) << '\n' << std::flush;
    failed_ = true;
}

}  // namespace tertulia::cli
