#include <gtest/gtest.h>

#include <thread>

#include "tertulia/async/callback.h"
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
