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
    begin_again();
    shown_.clear();
}

void ChatScreen::begin_again() {
    ended_ = failed_ = thinking_ = mid_line_ = false;
}

void ChatScreen::on_event(std::string_view type, std::string_view data) {
    const auto parsed = base::parse_json(data);
    if (!parsed) return fail("the server sent an event that is not JSON");
    if (type == "turn.queued") {
        note("it waits for the answer before it");
    } else if (type == "text.delta") {
        const std::string text = member(*parsed, "text");
        shown_ += text;
        show(text);
    } else if (type == "text.replaced") {
        replace(member(*parsed, "text"));
    } else if (type == "thinking.delta") {
        if (!thinking_) err_ << "(thinking ...)" << std::flush;
        thinking_ = true;
    } else if (type == "turn.completed") {
        ended_ = true;
        const std::string reason = member(*parsed, "stop_reason");
        if (reason == "max_tokens" || reason == "context_exceeded") {
            end_line();
            note("the answer is cut: " + reason);
        }
    } else if (type == "turn.cancelled") {
        end_line();
        note("stopped");
        failed_ = true;
    } else if (type == "turn.failed" || type == "turn.interrupted") {
        fail(member(*parsed, "message"));
    }
}

void ChatScreen::on_error_body(int status, std::string_view body) {
    const auto parsed = base::parse_json(body);
    const std::string message = parsed ? member(*parsed, "message") : std::string();
    fail(message.empty() ? fmt::format("the server answered with status {}", status) : message);
}

bool ChatScreen::end() {
    if (!ended_ && !failed_) fail("the connection ended before the answer did; the server goes on with it");
    end_line();
    return !failed_;
}

void ChatScreen::fail(std::string_view what) {
    end_line();
    err_ << "error: " << printable(what.empty() ? "the turn did not complete" : what) << '\n' << std::flush;
    failed_ = true;
}

// The answer's own text, on `out`, is not touched.
void ChatScreen::note(std::string_view what) {
    if (mid_line_ || thinking_) err_ << '\n';
    thinking_ = false;
    err_ << '(' << printable(what) << ")\n" << std::flush;
}

void ChatScreen::show(std::string_view text) {
    const std::string shown = printable(text);
    if (shown.empty()) return;
    if (thinking_) err_ << '\n' << std::flush;
    thinking_ = false;
    out_ << shown << std::flush;
    mid_line_ = shown.back() != '\n';
}

// What was printed cannot be taken back.
void ChatScreen::replace(std::string text) {
    if (text.starts_with(shown_)) {
        show(std::string_view(text).substr(shown_.size()));
    } else {
        end_line();
        note("not all of this was kept; the answer from its beginning:");
        show(text);
    }
    shown_ = std::move(text);
}

void ChatScreen::end_line() {
    if (mid_line_ || thinking_) out_ << '\n' << std::flush;
    mid_line_ = thinking_ = false;
}

}  // namespace tertulia::cli
