// What every SessionStore does, as tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/store.h"

namespace tertulia::tests {

/// An implementation to test: `make` gives an empty store each time.
struct StoreKind {
    std::string name;
    std::function<std::unique_ptr<sessions::SessionStore>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const StoreKind& kind) {
    return out << kind.name;
}

/// A worker to run a store's tasks on, from a test's own thread.
class StoreRunner {
  public:
    StoreRunner() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("test"); }

    /// The task's value, once it is there.
    template <class T>
    T run(async::Task<T> task) {
        std::optional<T> value;
        worker_.run_until_done(keep(std::move(task), value));
        return std::move(*value);
    }

    void run_void(async::Task<void> task) { worker_.run_until_done(std::move(task)); }

    async::Executor executor() { return worker_.executor(); }

  private:
    template <class T>
    static async::Task<void> keep(async::Task<T> task, std::optional<T>& value) {
        value.emplace(co_await std::move(task));
    }
    async::Worker worker_;
};

/// Instantiate it with INSTANTIATE_TEST_SUITE_P for each implementation, and link STORE_CONFORMANCE (CMakeLists.txt).
class StoreConformance : public testing::TestWithParam<StoreKind> {
  protected:
    void SetUp() override { store = GetParam().make(); }

    template <class T>
    T run(async::Task<T> task) {
        return runner.run(std::move(task));
    }

    StoreRunner runner;
    std::unique_ptr<sessions::SessionStore> store;
};

inline constexpr std::int64_t base_us = 1'732'271'400'000'000;  // 2024-11-22T10:30:00Z
inline constexpr std::int64_t no_limit = 1 << 30;
inline const sessions::SessionKey key_s{"local", "s"};

std::vector<std::string> contents(const std::vector<sessions::StoredMessage>& messages);
std::vector<std::string> ids(const sessions::SessionPage& page);

/// `second` seconds after 10:30:00 on 2024-11-22, in the store's form.
std::string at(int second, int microsecond = 0);
/// A turn's beginning: a user's message at `timestamp`.
sessions::TurnStart start_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                             const std::string& content = "question", const std::string& owner = "local");
/// Its end: a completed answer.
sessions::TurnEnd end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                         const std::string& content = "answer", const std::string& owner = "local");
/// The beginning of a turn that rewrites the answer at `place`, of the owner `local`.
sessions::TurnStart rewrite_of(const std::string& session, const std::string& turn, const std::string& place,
                               const std::string& created_at);
/// An end that leaves the answer failed, with events and outcome.
sessions::TurnEnd failed_end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                                const std::string& content);

}  // namespace tertulia::tests
