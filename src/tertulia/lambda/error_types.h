// How failures are called where a workflow's rules match them.
#pragma once

#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::lambda {

/// The `errorType` of an invocation's failure, which Step Functions matches in `Retry` and `Catch`:
///
///     Provider.Overloaded  upstream_unavailable          try again
///     Provider.Rejected    upstream_rejected             the same again is refused again
///     Provider.TimedOut    timed_out                     also our own deadline
///     Request.Invalid      invalid_request, not_found, too_large, unauthenticated, forbidden, and what is no event
///     Session.Busy         conflict                      another turn of the session runs, or it has moved on
///     Budget.Exceeded      budget_exceeded
///     Server.Unavailable   unavailable, rate_limited, internal
///
/// Pure.
std::string_view error_type(base::Errc code);

}  // namespace tertulia::lambda
