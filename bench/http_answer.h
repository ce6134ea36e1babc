#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Reading HTTP answers as they come, for the load generator: cheap, and strict about what counts as a whole answer.
namespace tertulia::bench {

/// Counts the events of an SSE stream and remembers whether the last one that matters came. Value.
class EventCounter {
  public:
    /// `terminal`: the line that the stream's last event must have, as "event: turn.completed" or "data: [DONE]".
    /// `after`: the number of the event before the first one that may come, where events have numbers.
    void begin(std::string_view terminal, std::uint64_t after = 0) {
        terminal_ = terminal;
        events_ = 0;
        number_ = after;
        line_size_ = 0;
        has_data_ = finished_ = has_gap_ = names_events_ = is_text_ = has_text_ = false;
        turn_.clear();
        session_.clear();
    }

    void feed(std::string_view data) {
        while (!data.empty()) {
            const auto* end = static_cast<const char*>(std::memchr(data.data(), '\n', data.size()));
            const std::size_t size = end != nullptr ? static_cast<std::size_t>(end - data.data()) : data.size();
            // Only a line's beginning is kept: it tells all that is asked here.
            const std::size_t room = std::min(size, sizeof line_ - line_size_);
            std::memcpy(line_ + line_size_, data.data(), room);
            line_size_ += room;
            if (end == nullptr) return;
            end_line();
            data.remove_prefix(size + 1);
        }
    }

    std::uint64_t events() const { return events_; }
    bool finished() const { return finished_; }

    /// Has an event with text come? Where events have no names it is the second one: the first only tells the role.
    bool has_text() const { return has_text_; }

    /// Of "id: <turn>:<number>": the last number, and the turn; whether each number was the one after the last.
    std::uint64_t number() const { return number_; }
    const std::string& turn() const { return turn_; }
    bool in_order() const { return !has_gap_; }
    /// The session that the first event names.
    const std::string& session() const { return session_; }

  private:
    void end_line() {
        std::string_view line(line_, line_size_);
        line_size_ = 0;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) {
            events_ += has_data_ ? 1 : 0;
            has_data_ = false;
            has_text_ = has_text_ || is_text_ || (!names_events_ && events_ > 1);
            return;
        }
        has_data_ = has_data_ || line.starts_with("data:");
        finished_ = finished_ || line == terminal_;
        names_events_ = names_events_ || line.starts_with("event: ");
        is_text_ = is_text_ || line == "event: text.delta";
        if (line.starts_with("id: ")) take_id(line.substr(4));
        constexpr std::string_view session = R"(data: {"session_id":")";
        if (events_ == 0 && line.starts_with(session))
            session_ = line.substr(session.size(), line.find('"', session.size()) - session.size());
    }

    void take_id(std::string_view id) {
        const auto colon = id.rfind(':');
        if (colon == std::string_view::npos) return;
        if (turn_.empty()) turn_ = id.substr(0, colon);
        std::uint64_t number = 0;
        std::from_chars(id.data() + colon + 1, id.data() + id.size(), number);
        has_gap_ = has_gap_ || number != number_ + 1;
        number_ = number;
    }

    std::string_view terminal_;
    std::uint64_t events_ = 0;
    std::uint64_t number_ = 0;
    std::size_t line_size_ = 0;
    bool has_data_ = false;
    bool finished_ = false;
    bool has_gap_ = false;
    bool names_events_ = false;
    bool is_text_ = false;
    bool has_text_ = false;
    std::string turn_;
    std::string session_;
    char line_[100];
};

/// One HTTP/1.1 answer after the other from one connection. `feed` calls `on_body(piece)` for the body's bytes. Value.
class AnswerReader {
  public:
    enum class State : std::uint8_t { incomplete, complete, malformed };

    void begin() {
        phase_ = Phase::head;
        head_.clear();
        chunked_ = false;
        left_ = 0;
        status_ = 0;
    }

    int status() const { return status_; }
    /// Whether the body's first bytes have come.
    bool in_body() const { return phase_ != Phase::head; }

    /// Takes all of `data`: a closed loop never has bytes of a next answer behind this one.
    template <class OnBody>
    State feed(std::string_view data, OnBody&& on_body) {
        if (phase_ == Phase::head) {
            head_.append(data);
            const auto end = head_.find("\r\n\r\n");
            if (end == std::string::npos) return State::incomplete;
            const std::size_t behind = head_.size() - end - 4;
            data = data.substr(data.size() - behind);
            if (!read_head(std::string_view(head_).substr(0, end + 2))) return State::malformed;
        }
        while (phase_ != Phase::done) {
            if (data.empty() && !(phase_ == Phase::body && left_ == 0)) return State::incomplete;
            if (!step(data, on_body)) return State::malformed;
        }
        return data.empty() ? State::complete : State::malformed;
    }

  private:
    enum class Phase : std::uint8_t { head, body, chunk_size, chunk_size_line, chunk_end, last_line, done };

    bool read_head(std::string_view head) {
        if (!head.starts_with("HTTP/1.1 ") || head.size() < 14) return false;
        for (int i = 9; i < 12; ++i) status_ = status_ * 10 + (head[static_cast<std::size_t>(i)] - '0');
        phase_ = Phase::body;
        for (auto at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at)) {
            at += 2;
            const auto line = head.substr(at, head.find("\r\n", at) - at);
            if (is_header(line, "content-length:")) {
                for (const char c : line.substr(15))
                    if (c != ' ') left_ = left_ * 10 + static_cast<std::uint64_t>(c - '0');
            } else if (is_header(line, "transfer-encoding:")) {
                chunked_ = true;
                phase_ = Phase::chunk_size;
            }
        }
        return true;
    }

    static bool is_header(std::string_view line, std::string_view name) {
        return line.size() > name.size() && ::strncasecmp(line.data(), name.data(), name.size()) == 0;
    }

    template <class OnBody>
    bool step(std::string_view& data, OnBody& on_body) {
        switch (phase_) {
            case Phase::body: {
                const std::size_t size = std::min<std::uint64_t>(left_, data.size());
                if (size > 0) on_body(data.substr(0, size));
                data.remove_prefix(size);
                left_ -= size;
                if (left_ == 0) phase_ = chunked_ ? Phase::chunk_end : Phase::done;
                return true;
            }
            case Phase::chunk_size: {
                const char c = take(data);
                const int digit = c >= '0' && c <= '9'   ? c - '0'
                                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                         : -1;
                if (digit >= 0) {
                    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
                    return true;
                }
                phase_ = Phase::chunk_size_line;
                return c == '\r' || c == ';';
            }
            case Phase::chunk_size_line:
                if (take(data) == '\n') phase_ = left_ > 0 ? Phase::body : Phase::last_line;
                return true;
            case Phase::chunk_end:
                if (take(data) == '\n') phase_ = Phase::chunk_size;
                return true;
            case Phase::last_line:  // no trailers are expected: the line is empty
                if (take(data) == '\n') phase_ = Phase::done;
                return true;
            default:
                return false;
        }
    }

    static char take(std::string_view& data) {
        const char c = data.front();
        data.remove_prefix(1);
        return c;
    }

    Phase phase_ = Phase::head;
    bool chunked_ = false;
    int status_ = 0;
    std::uint64_t left_ = 0;  // of the body or the chunk
    std::string head_;
};

}  // namespace tertulia::bench
