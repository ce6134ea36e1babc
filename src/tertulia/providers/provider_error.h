// From a provider's error to a Failure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/models/provider.h"

namespace tertulia::providers {

/// What a provider says of an error, in whichever form: `{"error": {"type", "code", "message"}}` (OpenAI, Anthropic),
/// `{"error": "text"}` and `{"message": "text"}` (compatible servers), or plain text. Value.
struct ProviderError {
    std::string type;
    /// A word; a number (llama.cpp) is in `status`.
    std::string code;
    std::string message;
    /// Where the error names an HTTP status of its own; 0: it does not.
    int status = 0;
};

/// From the body of an answer with an error status. Anything but JSON and plain text gives an empty one.
ProviderError parse_provider_error(std::string_view content_type, std::string_view body);

/// An answer with status 300 or more. `key` is made `***` in the message; `wall_us` is the time now, for a Retry-After
/// that is a date.
models::Failure read_error(int status, const http::Headers& headers, std::string_view body, const base::Secret& key,
                           std::int64_t wall_us);

/// What `status` means where nothing more is known (providers' errors; 400 and more).
models::FailureKind kind_of_status(int status);

/// Do the error's words say that the prompt does not fit the model's window?
bool says_context_too_long(const ProviderError& error);

/// A failure as the client is told of it: what kind it is, where it was ("HTTP 429"), the provider's own words with
/// `key` made `***`, and `hint`, a sentence that begins with a space, or nothing.
models::Failure make_failure(models::FailureKind kind, std::string_view where, const ProviderError& error,
                             const base::Secret& key, std::string_view hint);

/// An error that came inside an answer with status 200.
models::Failure in_band_failure(const ProviderError& error, const base::Secret& key);

/// Cut off, or not what the protocol says.
std::unexpected<models::Failure> broken(std::string message);

/// A provider's text as it may be shown: one line of valid UTF-8, at most 300 bytes, with `key` and everything that
/// looks like a key or an account's id made `***`.
std::string quotable(std::string_view text, const base::Secret& key);

}  // namespace tertulia::providers
