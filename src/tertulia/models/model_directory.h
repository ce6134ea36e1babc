// From the name of a model to who serves it.
#pragma once

#include <map>
#include <memory>
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

/// The configured providers of one worker. Filled at start, then only read. One per worker.
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

    /// Splits at the first slash when what stands before it is a provider's name; an id without a slash goes to the
    /// only or the default provider. invalid_request, with the list of providers, where the prefix is unknown or the id
    /// empty.
    base::Result<ModelRef> resolve(std::string_view name) const;

  private:
    std::map<std::string, Entry, std::less<>> entries_;
    std::string default_provider_;
};

}  // namespace tertulia::models
