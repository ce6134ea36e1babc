// What the model is shown of a session.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/chat/message.h"
#include "tertulia/sessions/message_size.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// How much may be shown. Value.
struct ContextBudget {
    /// Tokens for system text, history and new message together (the window less the room kept for the answer).
    std::int64_t tokens = 0;
    /// About how long history and new message together may be: what providers take as a request's body (Anthropic 32
    /// MB, Bedrock 25). Images and documents are long for what they count in tokens.
    std::int64_t bytes = 24 << 20;
    /// The plain estimate for the declarations of tools (tokens_of), which always go.
    std::int64_t tools_tokens = 0;
    /// What the model's window has for system text and new message at most; none where the window is not known: then
    /// a new message that is too large is sent nonetheless, and the provider judges.
    std::optional<std::int64_t> known_room;
    /// Tokens of a plain estimate, corrected for the model (ModelLimits::estimate).
    std::function<std::int64_t(std::int64_t plain)> correct;
    /// Where the history shown last began, if it was chosen for the same size; empty: from the session's beginning.
    std::string previous_from;
};

/// What goes to the model. Value.
struct Context {
    /// Oldest first, the new message last. In an order that every provider takes (chat/repair.h): of a history with
    /// gaps there may be fewer messages than messages_sent.
    std::vector<chat::Message> messages;
    /// How many go, the new one included; how many of the session's stored messages do not.
    std::int64_t messages_sent = 0;
    std::int64_t messages_left_out = 0;
    /// Of system text, tools and messages_sent; corrected and uncorrected. The latter is 0 where images or documents
    /// are among them: their count is too rough to learn a correction from.
    std::int64_t estimated_tokens = 0;
    std::int64_t plain_tokens = 0;
    /// The place of the first message shown; empty: from the beginning.
    std::string from;
};

/// Chooses a request's history. Feed it the session's messages newest first while it `wants_more()`, then `finish()`.
///
/// Whole turns only, never a question without its answer or the other way round; the system text and the new message
/// always go. A turn whose answer has no text but white space and calls no tool is left out, its question too; an
/// answer that was cut off goes with a note that says so, without its calls. What that leaves without its other half (a
/// tool's result whose call is in a turn that did not fit) is put in order at the end (chat/repair.h). While everything
/// since `previous_from` fits, the history begins there, so that the prompt's prefix stays the same (that is what
/// providers' caches are paid for); when it no longer fits, it is cut in one large step, down to about two thirds of
/// the budget. It asks for no more history than the budget can hold, so the cost does not depend on the session's
/// length. Pure: no clock, no I/O. Value.
class ContextBuilder {
  public:
    ContextBuilder(std::string_view system, chat::Message new_message, ContextBudget budget);

    /// Is older history of use?
    bool wants_more() const { return wants_more_; }
    /// The next older message.
    void offer(const StoredMessage& message);

    /// `total_messages`: how many the session has stored (without the new one). `too_large`, with both numbers: the new
    /// message alone does not fit a known window. Of images and documents in it the provider is the judge. Once.
    base::Result<Context> finish(std::int64_t total_messages);

  private:
    struct Turn {
        chat::Message question;
        chat::Message answer;
        MessageSize size;
        std::string from;
    };
    std::int64_t corrected(std::int64_t plain) const { return budget_.correct ? budget_.correct(plain) : plain; }
    bool fits(const MessageSize& turns, std::int64_t tokens, std::int64_t bytes) const;
    void take(Turn turn);

    chat::Message new_message_;
    ContextBudget budget_;
    MessageSize base_;         // of system text, tools and new message
    std::vector<Turn> turns_;  // newest first
    MessageSize all_turns_;
    std::optional<StoredMessage> pending_answer_;
    bool wants_more_ = true;
    bool overflowed_ = false;
};

}  // namespace tertulia::sessions
