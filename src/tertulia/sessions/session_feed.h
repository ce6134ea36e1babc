// All turns of one session, as they happen.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_logs.h"
#include "tertulia/sessions/turn_reader.h"

namespace tertulia::sessions {

class SessionService;

/// One reader's place in a session: it reads turn after turn, from memory while they are there and else from the store,
/// so that a slow reader costs nothing but its place. Turns that never started are passed over. Where several processes
/// share the store, that alone knows the order of their turns: it is asked now and then what comes next. One per
/// worker.
class SessionFeed {
  public:
    /// `look_again`: how long a store that several processes share is not looked at.
    SessionFeed(SessionService& service, TurnLogs& logs, SessionStore& store, async::Executor executor, SessionKey key,
                base::Milliseconds look_again);
    ~SessionFeed();
    SessionFeed(SessionFeed&& other) noexcept;
    SessionFeed& operator=(SessionFeed&&) = delete;

    /// Begins with the running turn's first event or, where none runs, with the next turn: nothing is missed that
    /// happens after this.
    async::Task<base::Result<void>> from_now();
    /// Begins right after this event, in whatever turn it was. `not_found`: there is no such turn.
    async::Task<base::Result<void>> from(std::string turn_id, std::uint32_t number);

    /// Waits for more events, all of one turn (`reader()`'s); false: none came by the deadline. An empty batch:
    /// stopped. An error: the store's.
    async::Task<base::Result<bool>> next(EventBatch& batch, base::Deadline deadline);
    /// `next` gives nothing any more.
    void stop();
    /// The same, once the turn that is being read is over.
    void stop_after_turn();
    /// The turn of the last batch, until the next one is asked for.
    const TurnReader& reader() const { return *reader_; }

  private:
    async::Task<base::Result<bool>> find_turn(base::Deadline deadline);
    // One look each for what comes after `last_`; nothing: there is nothing yet.
    using Found = base::Result<std::optional<TurnReader>>;
    async::Task<Found> look_here();
    async::Task<Found> look_in_store();
    async::Task<base::Result<void>> anchor();
    async::Task<Found> read(std::string turn_id);

    SessionService& service_;
    TurnLogs& logs_;
    SessionStore& store_;
    async::Executor executor_;
    SessionKey key_;
    std::shared_ptr<async::Waiter> waiter_;
    std::optional<TurnReader> reader_;
    bool stopped_ = false;
    bool ends_with_turn_ = false;
    bool is_read_ = true;  // reader_ has given all it had
    std::string last_;     // the turn before the one that is looked for; empty: none that we know of
    std::string after_;    // then, on a shared store: the place after which the first message counts
    const base::Milliseconds look_again_;
    int looks_ = 0;  // into a shared store, without any news
};

}  // namespace tertulia::sessions
