#include "tertulia/lambda/error_types.h"

namespace tertulia::lambda {

std::string_view error_type(base::Errc code) {
    using base::Errc;
    switch (code) {
        case Errc::upstream_unavailable:
            return "Provider.Overloaded";
        case Errc::upstream_rejected:
            return "Provider.Rejected";
        case Errc::timed_out:
            return "Provider.TimedOut";
        case Errc::invalid_request:
        case Errc::unauthenticated:
        case Errc::forbidden:
        case Errc::not_found:
        case Errc::too_large:
            return "Request.Invalid";
        case Errc::conflict:
            return "Session.Busy";
        case Errc::budget_exceeded:
            return "Budget.Exceeded";
        case Errc::rate_limited:
        case Errc::unavailable:
        case Errc::internal:
            break;
    }
    return "Server.Unavailable";
}

}  // namespace tertulia::lambda
