// Stores over DynamoDB Local, for tests that its runner starts (tests/blackbox/dynamodb_local.py).
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "tertulia/storage/dynamodb_store.h"
#include "tests/support/store_conformance.h"

namespace tertulia::tests {

using storage::DynamoOptions;
using storage::DynamoStore;

inline const telemetry::Log silent(telemetry::Level::off, telemetry::Log::Form::json);

/// Tables of its own, at the address that the variable says.
inline DynamoOptions options_for(const char* variable) {
    static std::atomic<int> number = 0;
    const char* address = std::getenv(variable);
    const std::string prefix = fmt::format("t{}_{}_", ::getpid(), ++number);
    auto options = storage::dynamo_options({{"AWS_ENDPOINT_URL_DYNAMODB", address ? address : "http://127.0.0.1:1"},
                                            {"AWS_REGION", "eu-west-1"},
                                            {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                            {"AWS_SECRET_ACCESS_KEY", "example"},
                                            {"CHAT_SESSIONS_TABLE_NAME", prefix + "chat_sessions"},
                                            {"CHAT_META_TABLE_NAME", prefix + "chat_meta"}});
    return options.value();
}

inline std::unique_ptr<DynamoStore> make_store(const DynamoOptions& options,
                                               const base::Clock& clock = base::system_clock()) {
    auto store = std::make_unique<DynamoStore>(options, clock, base::system_random(), silent);
    StoreRunner runner;
    const auto made = runner.run(store->create_tables());
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return store;
}

/// The machine's clocks, or where they stood when it was stopped; and by how much they have been set on. Shared; safe
/// from any thread.
class OwnClock final : public base::Clock {
  public:
    base::SteadyTime steady() const override {
        const std::lock_guard lock(mutex_);
        return (stopped_steady_ ? *stopped_steady_ : std::chrono::steady_clock::now()) + ahead_;
    }
    std::int64_t wall_us() const override {
        const std::lock_guard lock(mutex_);
        return (stopped_wall_ ? *stopped_wall_ : base::system_clock().wall_us()) +
               std::chrono::duration_cast<std::chrono::microseconds>(ahead_).count();
    }
    void stop() {
        const std::lock_guard lock(mutex_);
        stopped_steady_ = std::chrono::steady_clock::now();
        stopped_wall_ = base::system_clock().wall_us();
    }
    void advance(std::chrono::seconds by) {
        const std::lock_guard lock(mutex_);
        ahead_ += by;
    }

  private:
    mutable std::mutex mutex_;
    std::chrono::seconds ahead_{0};
    std::optional<base::SteadyTime> stopped_steady_;
    std::optional<std::int64_t> stopped_wall_;
};

}  // namespace tertulia::tests
