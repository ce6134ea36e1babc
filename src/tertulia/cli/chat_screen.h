// What `tertulia chat` shows of a turn's events.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace tertulia::cli {

/// Prints the events of one session's turns as they come: the answer's text on `out`, what went wrong on `err`. Control
/// characters other than line ends and tabs are shown as U+FFFD: a model must not steer the terminal. No I/O but these
/// streams. Belongs to one thread.
class ChatScreen {
  public:
    ChatScreen(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

    /// A new turn begins.
    void begin();
    /// One server-sent event of it.
    void on_event(std::string_view type, std::string_view data);
    /// An answer that is no stream: an error of the API.
    void on_error_body(int status, std::string_view body);
    /// The events have ended. False: the turn did not complete (said on `err`).
    bool end();

    /// Empty until the first turn has started.
    const std::string& session_id() const { return session_id_; }

  private:
    void fail(std::string_view what);

    std::ostream& out_;
    std::ostream& err_;
    std::string session_id_;
    bool ended_ = false;
    bool failed_ = false;
    bool thinking_ = false;
    bool mid_line_ = false;
};

}  // namespace tertulia::cli
