// Who hears of every turn.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tertulia/sessions/turn_log.h"

namespace tertulia::sessions {

/// Is told of the turns that start in this process, beside whoever began or reads them. One per worker.
class TurnAudience {
  public:
    virtual ~TurnAudience() = default;
    /// Its log can be read from now on. `request_id`: TurnRequest::request_id of what began it, or goes on with it,
    /// here.
    virtual void started(const std::shared_ptr<TurnLog>& log, std::string_view request_id) = 0;
    /// Who hears of that request's turns as its own, and so needs nobody else to tell: a name of the audience's own,
    /// which the stored turn keeps; empty: nobody.
    virtual std::string told_already(std::string_view request_id) const = 0;
};

}  // namespace tertulia::sessions
