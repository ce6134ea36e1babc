// The numbered events of one turn.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/base/error.h"
#include "tertulia/chat/answer_events.h"
#include "tertulia/chat/usage.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// How a turn began: what `turn.started` says. Value.
struct TurnStarted {
    std::string session_id;
    std::string turn_id;
    std::string model;
};

/// What a turn came to: the JSON answer, or the error. Value.
struct TurnResult {
    TurnState state = TurnState::completed;
    std::string session_id;
    std::string turn_id;
    std::string model;
    std::string message;
    std::int64_t conversation_length = 0;
    std::string timestamp;
    chat::Usage usage;
    std::optional<chat::StopReason> stop_reason;
    std::int64_t messages_sent = 0;
    std::int64_t messages_left_out = 0;
    std::int64_t estimated_tokens = 0;
    std::vector<std::string> ignored;
    /// Why, where state is not `completed`.
    std::optional<base::Error> error;
};

enum class EventKind : std::uint8_t {
    started,
    text_delta,
    thinking_delta,
    tool_call_delta,
    usage,
    ended,  ///< the terminal event; which of the four, the result's state says
};

/// A copy of part of a log, for one reader; reused from read to read. Value.
struct EventBatch {
    struct Event {
        EventKind kind;
        std::uint32_t number;
        /// The content block that a delta belongs to.
        std::uint32_t block;
        /// A tool call begins: text is its name, extra its id. Else text is more text, thinking or arguments.
        bool starts_call;
        chat::AnswerEvents::Span text;
        chat::AnswerEvents::Span extra;
    };
    std::vector<Event> events;
    std::string bytes;
    std::string_view text(chat::AnswerEvents::Span span) const {
        return std::string_view(bytes).substr(span.offset, span.size);
    }
};

/// Append-only and bounded by the turn's own limits; one writer (the turn), many readers, each with its own cursor. The
/// text is kept once, as bytes with offsets; every dialect renders for itself. Events are numbered from 1 without gaps.
/// Shared; safe from any thread.
class TurnLog {
  public:
    // -- the writer ------------------------------------------------------------------------------------------------
    /// The user message is durable: event 1.
    void start(TurnStarted started);
    /// Adds the steps of an answer. Signatures and native blocks are kept for the message but are no events of ours.
    void append(const chat::AnswerEvents& steps);
    /// Usage (if the turn got that far), then the terminal event. Nothing may follow.
    void finish(TurnResult result, bool with_usage);

    /// All steps so far: for the writer only, valid until the next append.
    const chat::AnswerEvents& steps() const { return steps_; }
    std::size_t byte_size() const { return steps_.byte_size(); }

    // -- readers ---------------------------------------------------------------------------------------------------
    enum class WakeFor { any_event, start_or_end, end };

    /// Copies what comes after `cursor` (0: from the first) into `batch` (cleared first), at most about `max_bytes` of
    /// it, and moves the cursor. Wakes of `waiter` follow once there is more: register first, read, then wait.
    void read(std::uint32_t& cursor, EventBatch& batch, std::size_t max_bytes = 65536) const;
    void add_waiter(std::shared_ptr<async::Waiter> waiter, WakeFor what);
    void remove_waiter(const async::Waiter* waiter);

    bool has_started() const;
    std::optional<TurnStarted> started() const;
    /// Set by `finish`; never changes then.
    std::shared_ptr<const TurnResult> result() const;

  private:
    struct Entry {
        EventKind kind;
        std::uint32_t step;  // index into steps_.events() for deltas
    };
    struct Waiting {
        std::shared_ptr<async::Waiter> waiter;
        WakeFor what;
    };
    void wake(bool start, bool end);

    mutable std::mutex mutex_;
    chat::AnswerEvents steps_;
    std::vector<Entry> entries_;  // event N is entries_[N - 1]
    std::optional<TurnStarted> started_;
    std::shared_ptr<const TurnResult> result_;
    std::vector<Waiting> waiters_;
};

/// One reader's place in a turn's log: what an HTTP answer, a second device and a resumed stream each have. Made on the
/// worker that reads. One per worker.
class TurnReader {
  public:
    TurnReader(std::shared_ptr<TurnLog> log, async::Executor executor);
    ~TurnReader();
    TurnReader(TurnReader&&) = default;
    TurnReader& operator=(TurnReader&&) = delete;

    /// Waits for more events; false: none came by the deadline. The batch whose last event is `ended` is the last.
    async::Task<bool> next(EventBatch& batch, base::Deadline deadline);
    /// Waits until the turn has started, or ended without. False: neither by the deadline.
    async::Task<bool> wait_start(base::Deadline deadline);
    /// Waits for the end; null: not by the deadline.
    async::Task<std::shared_ptr<const TurnResult>> wait_end(base::Deadline deadline);

    bool has_started() const { return log_->has_started(); }
    std::shared_ptr<const TurnResult> result() const { return log_->result(); }
    std::optional<TurnStarted> started() const { return log_->started(); }

  private:
    std::shared_ptr<TurnLog> log_;
    std::shared_ptr<async::Waiter> waiter_;
    std::optional<TurnLog::WakeFor> waiting_for_;
    std::uint32_t cursor_ = 0;
    void wake_for(TurnLog::WakeFor what);
};

}  // namespace tertulia::sessions
