// How many tokens a model gave.
#pragma once

#include <string_view>

#include "tertulia/chat/usage.h"
#include "tertulia/models/model_limits.h"
#include "tertulia/sessions/event_record.h"

namespace tertulia::sessions {

/// Counts what events of a record carry, for where the provider does not tell. Value.
class GivenTokens {
  public:
    void add(const EventEntry& entry, std::string_view text);
    /// Was there anything of an answer, of whatever kind? Such an attempt is billed.
    bool any() const { return any_; }
    /// `output` and `reasoning`, by our own estimate.
    chat::Usage usage() const;

  private:
    models::TextSize output_, reasoning_;
    bool any_ = false;
};

}  // namespace tertulia::sessions
