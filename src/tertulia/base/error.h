// What can go wrong, named by what the caller can do about it.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tertulia::base {

/// The outcome of a failed operation, named by what the caller can do. The names (see `to_string`) are the `code` of
/// every error that leaves the server; the table in `http_status` gives each its HTTP status.
enum class Errc {
    invalid_request,       ///< mend the request
    unauthenticated,       ///< say who you are
    forbidden,             ///< you may not
    not_found,             ///< there is no such thing
    conflict,              ///< the state has moved on; look again
    too_large,             ///< send less
    rate_limited,          ///< you: slower
    budget_exceeded,       ///< the budget is used up
    upstream_rejected,     ///< the provider refuses this request; the same again is refused again
    upstream_unavailable,  ///< the provider is overloaded, broken or cut off; try again later
    unavailable,           ///< we are: full disk, shutting down, too much at once; try again later
    timed_out,             ///< a deadline passed
    internal,              ///< a bug of ours
};

/// `invalid_request`, `unauthenticated`, ...: the stable name.
std::string_view to_string(Errc code);

/// A short sentence that is the same for every error of this code ("Invalid request").
std::string_view title(Errc code);

/// The HTTP status of the table in ARCHITECTURE.md.
int http_status(Errc code);

/// What is left of a budget that refused. Value.
struct BudgetLeft {
    /// Billionths of a dollar.
    std::int64_t left_nano = 0;
    /// Microseconds since 1970; nothing: never.
    std::optional<std::int64_t> renews_at_us = {};
    bool operator==(const BudgetLeft&) const = default;
};

/// A failure as a value. Value.
///
/// `message` is for people: it says what to do, and never holds a secret, message text or a stack trace.
struct Error {
    Errc code = Errc::internal;
    std::string message;
    /// Short and stable where it is narrower than `title(code)`; empty: that title.
    std::string title = {};
    /// How long to wait before trying again, where it is known.
    std::optional<std::chrono::milliseconds> retry_after = {};
    /// The status where HTTP has one of its own (405, 415, 422); 0: that of the code.
    int status = 0;
    /// Of budget_exceeded.
    std::optional<BudgetLeft> budget = {};
    bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string message) {
    return std::unexpected(Error{.code = code, .message = std::move(message)});
}

}  // namespace tertulia::base
