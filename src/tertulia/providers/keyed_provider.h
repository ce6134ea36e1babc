// A provider whose key has to be fetched first.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/aws/shared_secret.h"
#include "tertulia/models/provider.h"

namespace tertulia::providers {

/// Is the provider that `make` makes, with a key that is fetched at first need. Without the key no request is sent:
/// then the attempt fails as `denied` (a route's next target is asked, and nothing is held against the provider) with
/// `unavailable`, and the next one tries to fetch it again. A key that the provider refuses is fetched anew. One per
/// worker.
class KeyedProvider : public models::Provider {
  public:
    using Make = std::function<std::unique_ptr<models::Provider>(const base::Secret& key)>;

    struct Config {
        /// As the configuration calls it, for errors.
        std::string name;
        Make make;
        aws::SharedSecret::Fetch fetch;
        /// Told why a key could not be had: for the operator, not for clients.
        std::function<void(const base::Error&)> on_failure;
    };

    /// `key`, which all workers share, outlives it.
    KeyedProvider(aws::SharedSecret& key, Config config)
        : key_(key), config_(std::move(config)), provider_(config_.make(base::Secret())) {}

    std::string_view kind() const override { return provider_->kind(); }
    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline deadline) override;
    bool takes_prefill(std::string_view model) const override { return provider_->takes_prefill(model); }
    std::vector<std::string> ignored_parameters(const models::ModelRequest& request) const override {
        return provider_->ignored_parameters(request);
    }

  private:
    aws::SharedSecret& key_;
    const Config config_;
    aws::SharedSecret::Key used_;                 // by provider_; null: none
    std::shared_ptr<models::Provider> provider_;  // calls under way hold on to theirs
};

}  // namespace tertulia::providers
