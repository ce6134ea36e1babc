// The numbered events of one turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/chat/answer_events.h"
#include "tertulia/sessions/billed.h"
#include "tertulia/sessions/event_record.h"
#include "tertulia/sessions/rerouted.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/sessions/turn_result.h"

namespace tertulia::sessions {

/// A copy of part of a log, for one reader; reused from read to read. Value.
struct EventBatch {
    struct Event {
        EventKind kind;
        std::uint32_t number;
        /// The content block that a delta belongs to.
        std::uint32_t block;
        chat::AnswerEvents::Span text;
        /// A tool call's id.
        chat::AnswerEvents::Span extra;
    };
    std::vector<Event> events;
    std::string bytes;
    std::string_view text(chat::AnswerEvents::Span span) const {
        return std::string_view(bytes).substr(span.offset, span.size);
    }
    bool has_end() const { return !events.empty() && events.back().kind == EventKind::ended; }
};

/// Append-only and bounded by the turn's own limits; one writer (the turn), many readers, each with its own place. Kept
/// as a record of few bytes an event and the texts one after the other; every dialect renders for itself. Numbers grow
/// by one, but where a crash or a provider's new beginning left some out. Shared; safe from any thread.
class TurnLog {
  public:
    /// `memory`, if any, counts the bytes of all logs that share it.
    explicit TurnLog(std::shared_ptr<const TurnName> name, std::shared_ptr<std::atomic<std::int64_t>> memory = {});
    ~TurnLog();
    TurnLog(const TurnLog&) = delete;

    /// The log of a turn that the store has, as it was.
    static std::shared_ptr<TurnLog> restore(const TurnName& name, const StoredMessage& answer,
                                            std::shared_ptr<std::atomic<std::int64_t>> memory = {});

    const TurnName& name() const { return *name_; }

    // -- the writer ------------------------------------------------------------------------------------------------
    /// The turn has to wait for its place.
    void queue();
    /// The user message is durable. `maker`: the provider kind of the answer's blocks.
    void start(TurnStarted started, std::string maker);
    /// The number that `start` will give.
    std::uint32_t next_number() const { return record_.last_number() + 1; }
    /// Forget the text so far: this is the text now.
    void replace_text(std::string_view text);
    /// From here on the answer's blocks are of another provider kind.
    void change_maker(std::string_view maker);
    /// This one gives the answer now: what a checkpoint says.
    void change_model(std::string_view model);
    /// Another model goes on from here.
    void reroute(const Rerouted& rerouted);
    /// What follows is of an attempt after these.
    void note(const Billed& billed);
    /// What the latest model has thought so far, before any text, is void.
    void restart();
    /// Adds the steps of an answer. Signatures and native blocks are kept for the message but are no events of ours.
    void append(const chat::AnswerEvents& steps);
    /// Usage (if the turn got that far), then the terminal event. Nothing may follow.
    void finish(TurnResult result, bool with_usage);
    /// The turn goes on in another process, which handed it over to this one: the log is as it was there.
    void resume(const TurnRemains& remains, TurnStarted started, std::uint32_t first_number);

    // -- of a turn that runs in another process ----------------------------------------------------------------------
    /// It runs there, or goes on there from now on: readers come to the end without a terminal event, and to a result
    /// that says `running`. Nothing may follow.
    void leave(TurnResult result);
    /// It runs there; nothing more is known of it.
    void follow();
    /// More of it was kept there: what came after the last such piece, or (`is_whole`) all of it so far. False: it does
    /// not fit, and nothing was added.
    bool grow(const TurnRemains& kept, bool is_whole);
    /// It has ended, as the store knows. Readers go on behind what they have been shown.
    void fill(const StoredMessage& answer);

    /// For the writer only, valid until it adds more: the events, and their texts.
    const EventRecord& record() const { return record_; }
    std::string_view bytes() const { return bytes_; }

    // -- readers ---------------------------------------------------------------------------------------------------
    /// A reader's place: after all events up to `after`, of which none is shown. Value.
    struct Place {
        std::uint32_t after = 0;
        EventCursor cursor{};
        std::size_t at = 0;       // in the bytes
        std::uint32_t shown = 0;  // the number of the last event passed
    };
    enum class WakeFor { any_event, start_or_end, end };

    /// Copies what comes next into `batch` (cleared first), at most about `max_bytes` of it, and moves the place on. A
    /// reader whose place lies among events that were lost is first given `text_replaced`. Wakes of `waiter` follow
    /// once there is more: register first, read, then wait.
    void read(Place& place, EventBatch& batch, std::size_t max_bytes = 65536) const;
    void add_waiter(std::shared_ptr<async::Waiter> waiter, WakeFor what);
    void remove_waiter(const async::Waiter* waiter);

    /// Has it had to wait for its place?
    bool was_queued() const;
    bool has_started() const;
    /// Null: not yet. Set by `start`; never changes then (of a turn that runs elsewhere: with its first event).
    std::shared_ptr<const TurnStarted> started() const;
    /// Set by `finish` (or `leave`); never changes then.
    std::shared_ptr<const TurnResult> result() const;
    /// Has it come to its end here though its turn runs elsewhere?
    bool was_left() const;
    /// The answer's text so far.
    std::string text() const;
    std::uint32_t last_number() const;
    /// Bytes that it holds, about.
    std::int64_t memory() const;

    // -- checkpoints -----------------------------------------------------------------------------------------------
    /// Numbers up to this one are reserved durably; the writer reserves more before it uses others.
    std::uint32_t reserved() const { return reserved_.load(std::memory_order_relaxed); }
    void set_reserved(std::uint32_t number);
    /// What has come since the last call, as a checkpoint that reserves `more_numbers`, up to `reserve`. `whole`: all
    /// there is.
    TurnCheckpoint take_checkpoint(std::uint32_t more_numbers, bool whole, std::uint32_t& reserve);
    /// A checkpoint that holds nothing but a reservation.
    TurnCheckpoint reservation(std::uint32_t up_to) const;
    /// How many bytes of text no checkpoint holds yet. The writer's.
    std::size_t unsaved_bytes() const { return bytes_.size() - saved_bytes_.load(std::memory_order_relaxed); }
    /// Are there events that no checkpoint holds yet?
    bool has_unsaved() const;
    /// Checkpoints' own, under its lock.
    struct CheckpointState {
        bool is_listed = false;
        bool is_in_flight = false;
        bool has_left = false;
        bool save_whole = false;
        base::SteadyTime watched_until{};  // by readers in other processes
    } checkpoint_state;

  private:
    struct Waiting {
        std::shared_ptr<async::Waiter> waiter;
        WakeFor what;
    };
    void add(EventEntry entry, std::string_view text = {}, std::string_view extra = {});
    void wake(bool start, bool end);
    void keep_text_once();
    void count_memory();
    std::int64_t held_bytes() const;
    /// The texts of all events, one after the other.
    std::string_view texts() const { return texts_in_result_ ? std::string_view(result_->message) : bytes_; }
    std::string text_up_to(std::uint32_t number) const;
    void go_on(std::string_view record, std::string_view bytes);

    const std::shared_ptr<const TurnName> name_;
    const std::shared_ptr<std::atomic<std::int64_t>> memory_;
    std::int64_t counted_ = 0;

    mutable std::mutex mutex_;
    EventRecord record_;
    std::string bytes_;
    std::string maker_;
    std::string model_;
    bool has_new_model_ = false;  // that no checkpoint holds yet
    std::shared_ptr<const TurnStarted> started_;
    std::shared_ptr<const TurnResult> result_;
    std::vector<Waiting> waiters_;
    bool queued_ = false;
    bool texts_in_result_ = false;  // the answer's text is all there is: kept once
    std::size_t saved_record_ = 0;
    std::atomic<std::size_t> saved_bytes_ = 0;
    std::atomic<std::uint32_t> reserved_;
};

}  // namespace tertulia::sessions
