#include "tertulia/http/sse_parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace tertulia::http {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::optional<std::uint64_t> parse_digits(std::string_view text) {
    constexpr std::uint64_t limit = 1'000'000'000'000;
    if (text.empty()) return {};
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return {};
        value = std::min(value * 10 + static_cast<std::uint64_t>(c - '0'), limit);
    }
    return value;
}

}  // namespace

std::size_t SseParser::Input::find_line_end() {
    if (!searched || lf < at) lf = std::min(bytes.find('\n', at), bytes.size());
    if (!searched || cr < at) cr = std::min(bytes.find('\r', at), bytes.size());
    searched = true;
    return std::min(lf, cr);
}

SseParser::Step SseParser::next(Input& input, SseEvent& event) {
    if (failed_) return Step::too_long;
    if (dispatched_) forget_event();
    if (byte_order_mark_ >= 0) skip_byte_order_mark(input);
    while (input.at < input.bytes.size()) {
        if (skip_lf_) {
            skip_lf_ = false;
            if (input.bytes[input.at] == '\n') {
                ++input.at;
                continue;
            }
        }
        const std::size_t end = input.find_line_end();
        std::string_view line = input.bytes.substr(input.at, end - input.at);
        if (line_.size() + line.size() > max_event_) {
            failed_ = true;
            return Step::too_long;
        }
        if (end == input.bytes.size()) {
            line_ += line;
            input.at = end;
            break;
        }
        skip_lf_ = input.bytes[end] == '\r';
        input.at = end + 1;
        const bool lasting = line_.empty();
        if (!lasting) {
            line_ += line;
            line = line_;
        }
        if (line.empty()) {
            if (dispatch(event)) return Step::event;
            continue;
        }
        const bool fits = take_line(line, lasting);
        line_.clear();
        if (!fits) {
            failed_ = true;
            return Step::too_long;
        }
    }
    keep_views();
    return Step::need_more;
}

void SseParser::skip_byte_order_mark(Input& input) {
    while (input.at < input.bytes.size()) {
        const auto seen = static_cast<std::size_t>(byte_order_mark_);
        if (input.bytes[input.at] != byte_order_mark[seen]) {
            line_.assign(byte_order_mark.substr(0, seen));  // it was the beginning of a name
            byte_order_mark_ = -1;
            return;
        }
        ++input.at;
        if (++byte_order_mark_ == static_cast<int>(byte_order_mark.size())) {
            byte_order_mark_ = -1;
            return;
        }
    }
}

// Takes one non-empty line. `lasting`: its bytes stay where they are while the current bytes are fed.
bool SseParser::take_line(std::string_view line, bool lasting) {
    const std::size_t colon = line.find(':');
    if (colon == 0) return true;
    const std::string_view name = line.substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);

    if (name == "data") return add_data(value, lasting);
    if (name == "event") {
        type_kept_ = !lasting;
        if (type_kept_) type_.assign(value);
        type_view_ = type_kept_ ? std::string_view(type_) : value;
    } else if (name == "id") {
        if (value.find('\0') == std::string_view::npos) id_.assign(value);
    } else if (name == "retry") {
        if (const auto ms = parse_digits(value)) retry_ms_ = ms;
    }
    return true;
}

bool SseParser::add_data(std::string_view value, bool lasting) {
    if (!has_data_ && lasting) {
        data_view_ = value;
        data_kept_ = false;
    } else {
        if (!has_data_)
            data_.clear();
        else {
            if (!data_kept_) data_.assign(data_view_);
            data_ += '\n';
        }
        if (data_.size() + value.size() > max_event_) return false;
        data_ += value;
        data_view_ = data_;
        data_kept_ = true;
    }
    has_data_ = true;
    return true;
}

// At an empty line. False: nothing to dispatch.
bool SseParser::dispatch(SseEvent& event) {
    // The standard drops an event whose data buffer is empty; one line `data` leaves a lone LF in it, so that the event
    // is dispatched, with empty data.
    if (!has_data_) {
        forget_event();
        return false;
    }
    event.type = type_view_.empty() ? std::string_view("message") : type_view_;
    event.data = data_view_;
    event.last_event_id = id_;
    dispatched_ = true;
    return true;
}

void SseParser::forget_event() {
    has_data_ = data_kept_ = type_kept_ = dispatched_ = false;
    data_view_ = type_view_ = {};
}

// The fed bytes go away: what was seen of an unfinished event is copied.
void SseParser::keep_views() {
    if (has_data_ && !data_kept_) {
        data_.assign(data_view_);
        data_view_ = data_;
        data_kept_ = true;
    }
    if (!type_view_.empty() && !type_kept_) {
        type_.assign(type_view_);
        type_view_ = type_;
        type_kept_ = true;
    }
}

base::Result<void> SseParser::too_long() const {
    return base::fail(base::Errc::upstream_unavailable,
                      fmt::format("The event stream holds an event of more than {} bytes.", max_event_));
}

}  // namespace tertulia::http
