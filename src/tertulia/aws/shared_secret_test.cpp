#include "tertulia/aws/shared_secret.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/manual_clock.h"
#include "tertulia/async/worker.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;

/// Whose fetches wait until the test answers them.
class SharedSecretTest : public testing::Test {
  protected:
    SharedSecretTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("test"); }
    ~SharedSecretTest() override { worker_.join(); }

    struct Fetching {
        std::shared_ptr<async::Waiter> waiter;
        std::optional<base::Result<base::Secret>> result;
    };

    const SharedSecret::Fetch fetch_ = [this](std::stop_token stop, Deadline) -> Task<base::Result<base::Secret>> {
        auto fetching = std::make_shared<Fetching>();
        fetching->waiter = async::Waiter::make(worker_.executor());
        fetches_.push_back(fetching);
        const std::stop_callback wake(stop, [&] { fetching->waiter->wake(); });
        while (!fetching->result && !stop.stop_requested()) co_await fetching->waiter->wait(Deadline::after(30s));
        if (stop.stop_requested()) co_return base::fail(base::Errc::unavailable, "stopped");
        co_return *fetching->result;
    };

    void answer(std::size_t number, base::Result<base::Secret> result) {
        fetches_.at(number)->result = std::move(result);
        fetches_.at(number)->waiter->wake();
    }

    std::shared_ptr<std::string> start_get(std::stop_token stop = {}) {
        auto outcome = std::make_shared<std::string>();
        worker_.tasks().spawn(
            [](SharedSecretTest* self, std::stop_token stop, std::shared_ptr<std::string> outcome) -> Task<void> {
                const auto got = co_await self->secret_.get(self->fetch_, std::move(stop), Deadline::after(30s));
                if (got) self->key_ = *got;
                *outcome = got ? (*got)->reveal() : got.error().message;
            }(this, std::move(stop), outcome));
        return outcome;
    }

    void run(std::function<Task<void>()> test) { worker_.run_until_done(test()); }
    // Lets the others go on.
    Task<void> yield() { co_await async::Waiter::make(worker_.executor())->wait(Deadline(base::SteadyTime())); }
    Task<void> all_done() { EXPECT_TRUE(co_await worker_.tasks().join(Deadline::after(30s))); }

    test::ManualClock clock_;
    async::Worker worker_;
    SharedSecret secret_{clock_};
    SharedSecret::Key key_;
    std::vector<std::shared_ptr<Fetching>> fetches_;
};

TEST_F(SharedSecretTest, is_fetched_once_for_all_who_ask) {
    run([this]() -> Task<void> {
        const auto a = start_get(), b = start_get(), c = start_get();
        EXPECT_EQ(fetches_.size(), 1u);
        answer(0, base::Secret("k"));
        co_await all_done();
        EXPECT_EQ(*a + *b + *c, "kkk");
        const auto later = start_get();
        co_await all_done();
        EXPECT_EQ(*later, "k");
        EXPECT_EQ(fetches_.size(), 1u);
    });
}

TEST_F(SharedSecretTest, a_failure_is_told_to_all_and_the_next_one_tries_again) {
    run([this]() -> Task<void> {
        const auto a = start_get(), b = start_get();
        answer(0, base::fail(base::Errc::forbidden, "no"));
        co_await all_done();
        EXPECT_EQ(*a + *b, "nono");
        const auto c = start_get();
        EXPECT_EQ(fetches_.size(), 2u);
        answer(1, base::Secret("k"));
        co_await all_done();
        EXPECT_EQ(*c, "k");
    });
}

TEST_F(SharedSecretTest, who_leaves_takes_the_fetch_from_nobody) {
    run([this]() -> Task<void> {
        std::stop_source first, second;
        const auto a = start_get(first.get_token());
        const auto b = start_get(second.get_token());
        const auto c = start_get();
        second.request_stop();
        first.request_stop();  // which fetches
        while (fetches_.size() < 2) co_await yield();
        answer(1, base::Secret("k"));
        co_await all_done();
        EXPECT_EQ(*a, "stopped");
        EXPECT_EQ(*b, "stopped");
        EXPECT_EQ(*c, "k");
    });
}

TEST_F(SharedSecretTest, one_that_is_refused_is_fetched_anew_once_a_minute) {
    run([this]() -> Task<void> {
        start_get();
        answer(0, base::Secret("old"));
        co_await all_done();
        secret_.reject(key_);
        start_get();
        co_await all_done();
        EXPECT_EQ(fetches_.size(), 1u) << "it was fetched a moment ago";
        clock_.advance(61s);
        secret_.reject(std::make_shared<const base::Secret>("another"));
        start_get();
        co_await all_done();
        EXPECT_EQ(fetches_.size(), 1u);
        secret_.reject(key_);
        const auto next = start_get();
        answer(1, base::Secret("new"));
        co_await all_done();
        EXPECT_EQ(*next, "new");
    });
}

}  // namespace
}  // namespace tertulia::aws
