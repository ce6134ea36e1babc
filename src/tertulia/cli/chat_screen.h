// What `tertulia chat` shows of a turn's events.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace tertulia::cli {

/// Prints the events of one session's turns as they come: the answer's text on `out`, what went wrong on `err`. Control
/// characters other than line ends and tabs are shown as U+FFFD: a model must not steer the terminal. No I/O but these
/// streams. One per worker.
class ChatScreen {
  public:
    ChatScreen(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

    /// A new turn begins.
    void begin();
    /// A turn begins that goes on with the answer of the one before.
    void begin_again();
    /// One server-sent event of it.
    void on_event(std::string_view type, std::string_view data);
    /// An answer that is no stream: an error of the API.
    void on_error_body(int status, std::string_view body);
    /// The turn does not go on.
    void fail(std::string_view what);
    /// Something about the turn that is not its answer.
    void note(std::string_view what);
    /// Has the turn ended, or failed?
    bool over() const { return ended_ || failed_; }
    /// The events have ended. False: the turn did not complete (said on `err`).
    bool end();

  private:
    void show(std::string_view text);
    void replace(std::string text);
    void end_line();

    std::ostream& out_;
    std::ostream& err_;
    std::string shown_;  // the answer's text so far
    bool ended_ = false;
    bool failed_ = false;
    bool thinking_ = false;
    bool mid_line_ = false;
};

}  // namespace tertulia::cli
