// From the name of a model to who serves it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/models/provider.h"
#include "tertulia/models/readiness.h"

namespace tertulia::models {

/// Token deadlines of one provider.
struct TokenDeadlines {
    base::Milliseconds first_token{60'000};
    base::Milliseconds between_tokens{30'000};
};

/// A model that was asked for. Value; the provider outlives it.
struct ModelRef {
    Provider* provider = nullptr;
    /// The name of the provider's entry: what its breaker and the metrics go by.
    std::string provider_name;
    /// The provider's own id.
    std::string model;
    /// `provider/model`: what answers, the store and the metrics call it.
    std::string name;
    TokenDeadlines deadlines;
    /// Ask for a stream even where the client does not.
    bool always_stream = true;
    /// Turns wait for it; null: always ready.
    Readiness* readiness = nullptr;
};

/// When a route's second target is started beside its first, which has not begun to answer. Value.
struct Hedge {
    enum class Kind : std::uint8_t {
        off,
        fixed,  ///< after `delay`
        p95,    ///< after what 95 of 100 calls of this model and prompt size stayed under
    };
    Kind kind = Kind::off;
    base::Milliseconds delay{0};
};

/// `off`, `p95`, or a time: `800ms`, `2s`.
std::optional<Hedge> parse_hedge(std::string_view text);

/// The models that may answer, in their order: one, or those of a configured route. Value.
struct ModelRoute {
    std::vector<ModelRef> targets;
    Hedge hedge;
};

/// The configured providers and routes of one worker. Filled at start, then only read. One per worker.
class ModelDirectory {
  public:
    struct Entry {
        std::unique_ptr<Provider> provider;
        TokenDeadlines deadlines = {};
        bool always_stream = true;
        /// Outlives the directory; null: always ready.
        Readiness* readiness = nullptr;
    };

    void add(std::string name, Entry entry);
    /// Which provider takes an id without a slash; must have been added.
    void set_default_provider(std::string name) { default_provider_ = std::move(name); }
    /// After all providers. invalid_request: a target's name has no provider, or there are none, or the name is a
    /// provider's.
    base::Result<void> add_route(std::string name, const std::vector<std::string>& targets, Hedge hedge);

    /// A route by its name, else one model: splits at the first slash when what stands before it is a provider's name;
    /// an id without a slash goes to the only or the default provider. invalid_request, with the list of providers,
    /// where the prefix is unknown or the id empty.
    base::Result<ModelRoute> resolve(std::string_view name) const;
    /// Would it?
    base::Result<void> check(std::string_view name) const;

  private:
    struct Found {
        const Entry* entry = nullptr;
        std::string_view provider, model;
    };
    base::Result<Found> find(std::string_view name) const;
    base::Result<ModelRef> resolve_model(std::string_view name) const;

    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, ModelRoute, std::less<>> routes_;
    std::string default_provider_;
};

}  // namespace tertulia::models
