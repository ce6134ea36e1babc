// An AI provider, seen from the turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/chat/answer_events.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/tool.h"

namespace tertulia::models {

/// What a model is asked. Value.
struct ModelRequest {
    /// The provider's own id, passed on unchanged.
    std::string model;
    /// Empty: none.
    std::string system;
    /// Oldest first. Roles alternate and begin with the user; the last one is the user's, or the beginning of the
    /// answer itself where the provider takes that.
    std::vector<chat::Message> messages;
    /// How many of the first messages stay the same in the session's next requests: a provider's prompt cache may end
    /// behind the last of them. 0: none that is known.
    std::size_t stable_messages = 0;
    std::vector<chat::Tool> tools;
    std::optional<chat::ToolChoice> tool_choice;
    /// The same for all requests of one session, and for no others'. It tells of the owner: no provider gets more of it
    /// than a digest. Empty: none.
    std::string conversation;
    std::int64_t max_tokens = 0;
    std::optional<double> temperature;
    std::vector<std::string> stop;
    /// Ask for a stream? (The answer's reader goes by what comes, not by this.)
    bool stream = true;
};

/// Why an attempt failed, finer than the Errc that the client sees: what a retry policy must know.
enum class FailureKind : std::uint8_t {
    rejected,          ///< 4xx: the same request will be refused again, by others too
    denied,            ///< 401, 403, 404: not by this key, not this model
    context_too_long,  ///< 4xx: the prompt does not fit the model's window; less may fit
    quota,             ///< 429 that no waiting heals
    overloaded,        ///< 408, 409, 429, 500, 502 to 504, 520 to 524, 529, an in-band error: later may work
    failed,            ///< other 5xx: nothing says that later would work
    unreachable,       ///< no such host, refused, no TLS
    broken,            ///< cut off, reset, or not what the protocol says
    timed_out,         ///< silent past a deadline
    stopped,           ///< we asked for the end (stop_token)
};

struct Failure {
    FailureKind kind = FailureKind::broken;
    /// What the client is told: upstream_rejected, upstream_unavailable or timed_out. Its message may quote the
    /// provider's, cut short, with keys made `***`.
    base::Error error;
    /// Of context_too_long: the model's window in tokens, as far as the provider says it.
    std::optional<std::int64_t> context_window = {};
};

template <class T>
using Attempt = std::expected<T, Failure>;

/// An answer that is being read. One per worker, for one task; destroying it before the end closes the upstream
/// connection (which is how a provider is told to stop).
class AnswerStream {
  public:
    virtual ~AnswerStream() = default;

    /// Waits until the answer goes on, and puts what came into `into` (cleared first): everything that is there, at
    /// least one event or the finish. Pings and usage alone do not end the wait. After `into.finish` is set it must not
    /// be called again. `deadline`: timed_out when nothing came by then.
    virtual async::Task<Attempt<void>> next(chat::AnswerEvents& into, base::Deadline deadline) = 0;
};

/// A vendor's API, able to answer with any of its models. One per worker.
class Provider {
  public:
    virtual ~Provider() = default;

    /// Which family of wire format it speaks ("openai-chat", "anthropic-messages"): the maker of its native blocks.
    virtual std::string_view kind() const = 0;

    /// Sends the request and waits for the head of the answer. A refusal (status 4xx, 5xx) is a Failure here. `stop`
    /// ends this call and every later `next` at once, with FailureKind::stopped; it is requested on the same worker.
    virtual async::Task<Attempt<std::unique_ptr<AnswerStream>>> open(const ModelRequest& request, std::stop_token stop,
                                                                     base::Deadline deadline) = 0;

    /// May the last message be the assistant's, as the beginning of the answer? (It may still be refused: what a
    /// vendor's newest models take changes.)
    virtual bool takes_prefill(std::string_view model) const = 0;

    /// The request's parameters that this provider's API does not take and that are left out ("temperature").
    virtual std::vector<std::string> ignored_parameters(const ModelRequest& request) const = 0;
};

}  // namespace tertulia::models
