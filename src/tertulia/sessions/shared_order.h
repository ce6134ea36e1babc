// A session's order, on a store that several processes share.
#pragma once

#include <optional>
#include <string>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/look_pause.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_registry.h"

namespace tertulia::sessions {

/// The way of a claim that is its session's first in this process to the session's order among all of them: it looks,
/// and waits a little longer from look to look while a turn of another process runs. Nobody is told when that ends, so
/// messages of several processes are answered in no order of their own. Belongs to the claim's task. One per worker.
class SharedOrder {
  public:
    struct Parts {
        SessionStore& store;
        TurnRegistry& registry;
    };
    /// `longest`: between two looks.
    SharedOrder(Parts parts, TurnClaim& claim, base::Milliseconds longest)
        : parts_(parts), claim_(claim), pause_(longest) {}

    struct Look {
        /// It is not the claim's turn yet.
        bool must_wait = false;
        /// As `SessionStore::open_turn` gives it.
        std::optional<SessionSnapshot> session;
    };
    /// Opens the turn, if it can. Where another one runs and the claim `interrupts`, that one is asked to end.
    /// `conflict`: the claim is not to wait (`rejects`).
    async::Task<base::Result<Look>> look(TurnOpening opening, bool rejects);
    /// Until the next look; the claim's waiter is woken before where it is asked to end.
    async::Task<void> wait(base::Deadline deadline);

  private:
    async::Task<void> interrupt();

    const Parts parts_;
    TurnClaim& claim_;
    LookPause pause_;
    std::string interrupted_;  // the turn that was asked to end
};

}  // namespace tertulia::sessions
