#include "tertulia/api/content_scanner.h"

namespace tertulia::api {
namespace {

constexpr std::string_view wanted = "content";

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

bool ContentScanner::feed(std::string_view bytes) {
    while (!bytes.empty() && state_ != State::found && state_ != State::over) {
        if (state_ == State::in_text && !is_escaped_) {
            // Data of megabytes: straight to where the text may end.
            const std::size_t end = bytes.find_first_of("\"\\");
            if (end == std::string_view::npos) break;
            bytes.remove_prefix(end);
        }
        step(bytes.front());
        bytes.remove_prefix(1);
    }
    return found();
}

void ContentScanner::step(char c) {
    switch (state_) {
        case State::before:
            if (!is_blank(c)) state_ = c == '{' ? State::name : State::over;
            break;
        case State::name:
            if (is_blank(c)) break;
            state_ = c == '"' ? State::in_name : State::over;
            matched_ = 0;
            is_other_ = false;
            break;
        case State::in_name:
            if (is_escaped_) {
                is_escaped_ = false;
            } else if (c == '"') {
                state_ = !is_other_ && matched_ == wanted.size() ? State::found : State::value;
                depth_ = 0;
            } else if (matched_ < wanted.size() && c == wanted[matched_]) {
                ++matched_;
            } else {
                is_other_ = true;
                is_escaped_ = c == '\\';
            }
            break;
        case State::value:
            if (c == '"')
                state_ = State::in_text;
            else if (c == '{' || c == '[')
                ++depth_;
            else if (c == ',' && depth_ == 0)
                state_ = State::name;
            else if ((c == '}' || c == ']') && depth_-- == 0)
                state_ = State::over;
            break;
        case State::in_text:
            if (is_escaped_)
                is_escaped_ = false;
            else if (c == '\\')
                is_escaped_ = true;
            else if (c == '"')
                state_ = State::value;
            break;
        case State::over:
        case State::found:
            break;
    }
}

}  // namespace tertulia::api
