// What Step Functions and other programs ask of the function, answered.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "tertulia/api/direct_calls.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/invoked_work.h"
#include "tertulia/lambda/turn_broadcast.h"

namespace tertulia::lambda {

/// Events that say their `kind`: those of api/direct_request.h, and what the function asked of itself. One per worker.
class DirectEvents {
  public:
    DirectEvents(api::DirectCalls& calls, InvokedWork& work, TurnBroadcast& broadcast, base::Milliseconds margin)
        : calls_(calls), work_(work), broadcast_(broadcast), margin_(margin) {}

    async::Task<Outcome> answer(const Invocation& invocation, const boost::json::object& event);

  private:
    api::DirectCalls& calls_;
    InvokedWork& work_;
    TurnBroadcast& broadcast_;
    const base::Milliseconds margin_;
};

}  // namespace tertulia::lambda
