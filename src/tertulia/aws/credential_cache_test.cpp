#include "tertulia/aws/credential_cache.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <future>
#include <string>
#include <vector>

#include "support/manual_clock.h"
#include "tertulia/async/worker.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using base::Result;

/// A cache whose source is the test's: a fetch waits until the test answers it.
class CredentialCacheTest : public testing::Test {
  protected:
    struct Fetching {
        std::shared_ptr<async::Waiter> waiter;
        std::optional<Result<Credentials>> result;
        bool stopped = false;
    };

    CredentialCacheTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        cache_.emplace(state_, worker_.executor(), worker_.tasks(), clock_,
                       [this](std::stop_token stop, Deadline deadline) { return fetch(std::move(stop), deadline); });
        worker_.start("test");
    }
    ~CredentialCacheTest() override { worker_.join(); }

    Task<Result<Credentials>> fetch(std::stop_token stop, Deadline deadline) {
        auto fetching = std::make_shared<Fetching>();
        fetching->waiter = async::Waiter::make(worker_.executor());
        fetches_.push_back(fetching);
        const std::stop_callback wake(stop, [&] { fetching->waiter->wake(); });
        while (!fetching->result && !stop.stop_requested()) co_await fetching->waiter->wait(deadline);
        if (stop.stop_requested()) co_return base::fail(base::Errc::unavailable, "stopped");
        co_return *fetching->result;
    }

    void answer(std::size_t number, Result<Credentials> result) {
        fetches_.at(number)->result = std::move(result);
        fetches_.at(number)->waiter->wake();
    }

    Result<Credentials> key(std::string id, std::optional<std::chrono::microseconds> lifetime) const {
        Credentials credentials{.access_key_id = std::move(id)};
        if (lifetime) credentials.expires_us = clock_.wall_us() + lifetime->count();
        return credentials;
    }

    void run(std::function<Task<void>()> test) { worker_.run_until_done(test()); }

    // A call under way; its outcome is a key's id or an error's message.
    std::shared_ptr<std::string> start_get(std::stop_token stop = {}, Deadline deadline = Deadline::after(10s)) {
        auto outcome = std::make_shared<std::string>();
        worker_.tasks().spawn([](CredentialCacheTest* self, std::stop_token stop, Deadline deadline,
                                 std::shared_ptr<std::string> outcome) -> Task<void> {
            const auto got = co_await self->cache_->get(std::move(stop), deadline);
            *outcome = got ? (*got)->access_key_id : got.error().message;
        }(this, std::move(stop), deadline, outcome));
        return outcome;
    }

    Task<std::string> get() {
        const auto got = co_await cache_->get({}, Deadline::after(10s));
        co_return got ? (*got)->access_key_id : got.error().message;
    }

    Task<void> all_done() { EXPECT_TRUE(co_await worker_.tasks().join(Deadline::after(10s))); }

    test::ManualClock clock_;
    async::Worker worker_;
    CredentialState state_;
    std::optional<CredentialCache> cache_;
    std::vector<std::shared_ptr<Fetching>> fetches_;
};

TEST_F(CredentialCacheTest, FetchesOnceHoweverManyAsk) {
    run([&]() -> Task<void> {
        const auto first = start_get(), second = start_get(), third = start_get();
        EXPECT_EQ(fetches_.size(), 1);
        answer(0, key("A", {}));
        co_await all_done();
        EXPECT_EQ(*first + *second + *third, "AAA");
        EXPECT_EQ(co_await get(), "A");
        EXPECT_EQ(fetches_.size(), 1) << "what does not expire is kept";
    });
}

TEST_F(CredentialCacheTest, FetchesOnceForAllWorkers) {
    async::Worker other([](const std::string& what) { ADD_FAILURE() << what; });
    CredentialCache cache(state_, other.executor(), other.tasks(), clock_,
                          [](std::stop_token, Deadline) -> Task<Result<Credentials>> {
                              ADD_FAILURE() << "a second fetch";
                              co_return base::fail(base::Errc::internal, "");
                          });
    std::promise<void> is_asked;
    std::string got;
    other.start("other");
    std::shared_ptr<std::string> first;
    run([&]() -> Task<void> {
        first = start_get();
        co_return;
    });
    boost::asio::post(other.executor(), [&] {
        other.tasks().spawn([](CredentialCache& cache, std::string& got) -> Task<void> {
            const auto credentials = co_await cache.get({}, Deadline::after(10s));
            got = credentials ? (*credentials)->access_key_id : credentials.error().message;
        }(cache, got));
        is_asked.set_value();  // and waits
    });
    is_asked.get_future().wait();
    run([&]() -> Task<void> {
        answer(0, key("A", {}));
        co_await all_done();
    });
    other.run_until_done([](async::TaskGroup& tasks) -> Task<void> {
        EXPECT_TRUE(co_await tasks.join(Deadline::after(10s)));
    }(other.tasks()));
    other.join();
    EXPECT_EQ(*first + got, "AA");
}

TEST_F(CredentialCacheTest, RefreshesEarlyAndNobodyWaitsWhileTheOldOnesHold) {
    run([&]() -> Task<void> {
        const auto first = start_get();
        answer(0, key("A", 1h));
        co_await all_done();
        clock_.advance(49min);
        EXPECT_EQ(co_await get(), "A");
        EXPECT_EQ(fetches_.size(), 1);
        clock_.advance(90s);
        EXPECT_EQ(co_await get(), "A") << "at once";
        EXPECT_EQ(fetches_.size(), 2) << "more than five minutes before they expire";
        EXPECT_EQ(co_await get(), "A");
        EXPECT_EQ(fetches_.size(), 2) << "one at a time";
        answer(1, key("B", 1h));
        co_await all_done();
        EXPECT_EQ(co_await get(), "B");
        EXPECT_EQ(fetches_.size(), 2);
    });
}

TEST_F(CredentialCacheTest, KeepsTheOldOnesWhileARefreshFailsAndTheyHold) {
    run([&]() -> Task<void> {
        const auto first = start_get();
        answer(0, key("A", 1h));
        co_await all_done();
        clock_.advance(52min);
        EXPECT_EQ(co_await get(), "A");
        answer(1, base::fail(base::Errc::upstream_unavailable, "down"));
        co_await all_done();
        EXPECT_EQ(co_await get(), "A");
        EXPECT_EQ(fetches_.size(), 2) << "not with every request";
        clock_.advance(31s);
        EXPECT_EQ(co_await get(), "A");
        EXPECT_EQ(fetches_.size(), 3);
        answer(2, base::fail(base::Errc::upstream_unavailable, "down"));
        co_await all_done();
        clock_.advance(8min);
        const auto late = start_get();
        EXPECT_EQ(fetches_.size(), 4);
        answer(3, base::fail(base::Errc::upstream_unavailable, "still down"));
        co_await all_done();
        EXPECT_EQ(*late, "still down") << "what has expired is not used";
    });
}

TEST_F(CredentialCacheTest, AFailureHoldsForAMoment) {
    run([&]() -> Task<void> {
        const auto first = start_get(), second = start_get();
        answer(0, base::fail(base::Errc::unauthenticated, "none"));
        co_await all_done();
        EXPECT_EQ(*first + *second, "nonenone");
        EXPECT_EQ(co_await get(), "none");
        EXPECT_EQ(fetches_.size(), 1);
        clock_.advance(2s);
        const auto third = start_get();
        EXPECT_EQ(fetches_.size(), 2);
        answer(1, key("A", {}));
        co_await all_done();
        EXPECT_EQ(*third, "A");
    });
}

TEST_F(CredentialCacheTest, FetchesAnewWhatTheServiceRefusesOnce) {
    run([&]() -> Task<void> {
        const auto first = start_get();
        answer(0, key("A", {}));
        co_await all_done();
        const auto old = co_await cache_->get({}, Deadline::after(10s));
        cache_->reject(*old);
        const auto second = start_get();
        EXPECT_EQ(fetches_.size(), 2);
        answer(1, key("B", {}));
        co_await all_done();
        EXPECT_EQ(*second, "B");
        cache_->reject(*old);
        EXPECT_EQ(co_await get(), "B") << "another has seen to it already";
        EXPECT_EQ(fetches_.size(), 2);
    });
}

TEST_F(CredentialCacheTest, AWaitEndsAtItsDeadlineOrStopAndTheFetchGoesOn) {
    run([&]() -> Task<void> {
        std::stop_source stop;
        const auto stopped = start_get(stop.get_token()), late = start_get({}, Deadline::after(1ms)),
                   patient = start_get();
        stop.request_stop();
        while (stopped->empty() || late->empty()) {
            const auto pause = async::Waiter::make(worker_.executor());
            co_await pause->wait(Deadline::after(1ms));
        }
        EXPECT_EQ(*stopped, "stopped");
        EXPECT_EQ(*late, "the AWS credentials did not come in time");
        EXPECT_EQ(*patient, "");
        answer(0, key("A", {}));
        co_await all_done();
        EXPECT_EQ(*patient, "A");
    });
}

TEST_F(CredentialCacheTest, ClosingBreaksAFetchOff) {
    run([&]() -> Task<void> {
        const auto waiting = start_get();
        cache_->close();
        co_await all_done();
        EXPECT_EQ(*waiting, "stopped");
    });
}

}  // namespace
}  // namespace tertulia::aws
