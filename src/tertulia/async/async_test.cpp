#include <gtest/gtest.h>

#include <thread>

#include "tertulia/async/callback.h"
#include "tertulia/async/spawn.h"
#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/async/worker.h"

namespace tertulia::async {
namespace {

const base::Deadline soon() {
    return base::Deadline::after(std::chrono::seconds(30));
}
const base::Deadline at_once() {
    return base::Deadline::after(std::chrono::milliseconds(5));
}

class AsyncTest : public testing::Test {
  protected:
    void run(std::function<Task<void>()> test) { worker_.run_until_done(test()); }
    void SetUp() override { worker_.start("test"); }
    void TearDown() override { worker_.join(); }
    std::vector<std::string> bugs_;
    Worker worker_{[this](const std::string& what) { bugs_.push_back(what); }};
};

TEST_F(AsyncTest, AWakeBeforeTheWaitIsNotLost) {
    run([this]() -> Task<void> {
        const auto waiter = Waiter::make(worker_.executor());
        waiter->wake();
        waiter->wake();
        co_await waiter->wait(base::Deadline::never());
        const auto begin = std::chrono::steady_clock::now();
        co_await waiter->wait(at_once());  // two wakes were one
        EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(4));
    });
}

TEST_F(AsyncTest, AWakeComesFromAnyThread) {
    run([this]() -> Task<void> {
        const auto waiter = Waiter::make(worker_.executor());
        std::thread other([waiter] { waiter->wake(); });
        co_await waiter->wait(base::Deadline::never());
        other.join();
    });
}

TEST_F(AsyncTest, AWakeIsNoCallAndGoesOnAfterWhatRunsNow) {
    run([this]() -> Task<void> {
        const auto waiter = Waiter::make(worker_.executor());
        int steps = 0;
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        group.spawn([](std::shared_ptr<Waiter> there, int& count) -> Task<void> {
            for (; count < 3; ++count) co_await there->wait(base::Deadline::never());
        }(waiter, steps));
        for (int i = 0; i < 3; ++i) {
            waiter->wake();
            waiter->wake();
            EXPECT_EQ(steps, i);
            co_await Waiter::make(worker_.executor())->wait(base::Deadline(base::SteadyTime()));
            EXPECT_EQ(steps, i + 1);
        }
        EXPECT_TRUE(co_await group.join(soon()));
    });
}

TEST_F(AsyncTest, ADeadlineOfAWaitThatIsOverWakesNobody) {
    run([this]() -> Task<void> {
        const auto waiter = Waiter::make(worker_.executor());
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        group.spawn([](std::shared_ptr<Waiter> there) -> Task<void> {
            co_await Waiter::make(co_await this_executor)->wait(base::Deadline(base::SteadyTime()));
            there->wake();
        }(waiter));
        co_await waiter->wait(base::Deadline::after(std::chrono::milliseconds(10)));
        const auto begin = std::chrono::steady_clock::now();
        co_await waiter->wait(base::Deadline(begin + std::chrono::milliseconds(30)));
        EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
        EXPECT_TRUE(co_await group.join(soon()));
    });
}

// Whoever wakes may be the last to hold a waiter.
TEST_F(AsyncTest, AWaiterMayEndOnAnyThread) {
    std::vector<std::thread> others;
    run([this, &others]() -> Task<void> {
        for (int i = 0; i < 200; ++i) {
            auto waiter = Waiter::make(worker_.executor());
            others.emplace_back([waiter] { waiter->wake(); });
            co_await waiter->wait(soon());
            if (i % 2 == 0) co_await Waiter::make(worker_.executor())->wait(base::Deadline(base::SteadyTime()));
        }
    });
    for (std::thread& other : others) other.join();
}

TEST(Async, AWaitKeepsTheEventLoopGoingAndGoesWithIt) {
    bool destroyed = false;
    std::shared_ptr<Waiter> outlives;
    {
        asio::io_context context;
        outlives = Waiter::make(context.get_executor());
        const auto wait = [](std::shared_ptr<Waiter> waiter, base::Deadline deadline, bool* gone) -> Task<void> {
            struct Says {
                bool* gone;
                ~Says() {
                    if (gone) *gone = true;
                }
            };
            const Says says(gone);
            co_await waiter->wait(deadline);
        };
        bool ended = false;
        spawn(context.get_executor(), wait(Waiter::make(context.get_executor()), at_once(), nullptr),
              [&](std::exception_ptr) { ended = true; });
        context.run();
        EXPECT_TRUE(ended);
        context.restart();
        spawn(context.get_executor(), wait(outlives, base::Deadline::never(), &destroyed),
              [](std::exception_ptr) { ADD_FAILURE(); });
        context.poll();
        EXPECT_FALSE(context.stopped());
        EXPECT_FALSE(destroyed);
    }
    EXPECT_TRUE(destroyed);
}

TEST_F(AsyncTest, ADriverResumesWhatIsReadyAndLeavesTheRestToTheEventLoop) {
    run([this]() -> Task<void> {
        std::vector<std::shared_ptr<Waiter>> waiters;
        std::vector<int> order;
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        for (int i = 0; i < 10; ++i) waiters.push_back(Waiter::make(worker_.executor()));
        for (int i = 0; i < 10; ++i)
            group.spawn([](std::vector<std::shared_ptr<Waiter>>& all, std::vector<int>& in, int me) -> Task<void> {
                co_await all[static_cast<std::size_t>(me)]->wait(base::Deadline::never());
                in.push_back(me);
                if (me == 0) all[9]->wake();
            }(waiters, order, i));
        {
            Seat::Driver driver(worker_.executor());
            for (int i = 0; i < 9; ++i) waiters[static_cast<std::size_t>(i)]->wake();
            EXPECT_TRUE(order.empty());
            driver.resume_ready();
            EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8}));
        }
        EXPECT_TRUE(co_await group.join(soon()));
        EXPECT_EQ(order.size(), 10u);
    });
}

TEST_F(AsyncTest, ACallbackOfAnotherThreadGivesItsValue) {
    run([]() -> Task<void> {
        std::thread other;
        const std::string value = co_await await_callback<std::string>(
            [&other](auto done) { other = std::thread([done = std::move(done)]() mutable { done("from there"); }); });
        EXPECT_EQ(value, "from there");
        other.join();
    });
}

TEST_F(AsyncTest, AGroupKnowsWhenAllItsTasksHaveEnded) {
    run([this]() -> Task<void> {
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        const auto gate = Waiter::make(worker_.executor());
        group.spawn([](std::shared_ptr<Waiter> wait_for) -> Task<void> { co_await wait_for->wait(soon()); }(gate));
        EXPECT_FALSE(co_await group.join(at_once()));
        gate->wake();
        EXPECT_TRUE(co_await group.join(soon()));
        EXPECT_EQ(group.size(), 0u);
    });
}

TEST_F(AsyncTest, AnExceptionThatLeavesATaskIsReported) {
    run([this]() -> Task<void> {
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        group.spawn([]() -> Task<void> {
            throw std::runtime_error("a bug");
            co_return;
        }());
        EXPECT_TRUE(co_await group.join(soon()));
        EXPECT_EQ(bugs_, std::vector<std::string>{"a bug"});
    });
}

}  // namespace
}  // namespace tertulia::async
