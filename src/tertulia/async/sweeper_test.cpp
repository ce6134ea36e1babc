#include "tertulia/async/sweeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace tertulia::async {
namespace {

using std::chrono::milliseconds;

class SweeperTest : public testing::Test {
  protected:
    base::SteadyTime now() { return std::chrono::steady_clock::now(); }
    // Deadlines keep no event loop going, so this does.
    void run_until(const std::function<bool()>& condition) {
        context.restart();
        const auto work = asio::make_work_guard(context);
        while (!condition()) context.run_one();
    }
    asio::io_context context;
    Executor executor = context.get_executor();
};

TEST_F(SweeperTest, calls_each_deadline_once_and_a_near_one_in_time) {
    const auto begin = now();
    int near = 0, far = 0, cleared = 0;
    milliseconds near_after{}, far_after{};
    const auto since = [&] { return std::chrono::duration_cast<milliseconds>(now() - begin); };
    Sweeper::Entry first(executor, [&] { near_after = since(), ++near; });
    Sweeper::Entry second(executor, [&] { far_after = since(), ++far; });
    Sweeper::Entry third(executor, [&] { ++cleared; });
    second.set(base::Deadline(begin + milliseconds(300)));
    third.set(base::Deadline(begin + milliseconds(10)));
    first.set(base::Deadline(begin + milliseconds(20)));
    third.clear();
    run_until([&] { return far > 0; });
    EXPECT_EQ(near, 1);
    EXPECT_EQ(far, 1);
    EXPECT_EQ(cleared, 0);
    EXPECT_GE(near_after, milliseconds(20));
    EXPECT_LT(near_after, milliseconds(250)) << "a near deadline does not wait for a far one";
    EXPECT_GE(far_after, milliseconds(300));
}

TEST_F(SweeperTest, takes_a_deadline_that_has_passed_and_one_that_is_set_again) {
    int calls = 0;
    Sweeper::Entry entry(executor, [&] { ++calls; });
    entry.set(base::Deadline(now() - milliseconds(1)));
    run_until([&] { return calls == 1; });
    entry.set(base::Deadline::after(milliseconds(1)));
    run_until([&] { return calls == 2; });
}

TEST_F(SweeperTest, calls_no_deadline_before_its_time_however_often_it_is_moved) {
    const auto begin = now();
    base::SteadyTime called{};
    Sweeper::Entry entry(executor, [&] { called = now(); });
    entry.set(base::Deadline(begin + milliseconds(5)));
    entry.set(base::Deadline(begin + milliseconds(60)));  // stays where it is, to be looked at sooner
    run_until([&] { return called != base::SteadyTime(); });
    EXPECT_GE(called - begin, milliseconds(60));
    const auto again = now();
    called = {};
    entry.set(base::Deadline(again + std::chrono::hours(1)));
    entry.set(base::Deadline(again + milliseconds(5)));
    run_until([&] { return called != base::SteadyTime(); });
    EXPECT_LT(called - again, std::chrono::minutes(1)) << "moved to an earlier time";
}

TEST_F(SweeperTest, calls_deadlines_in_their_order_and_all_of_a_time) {
    const auto begin = now();
    std::vector<int> order;
    std::vector<std::unique_ptr<Sweeper::Entry>> entries;
    for (int i = 0; i < 100; ++i) {
        entries.push_back(std::make_unique<Sweeper::Entry>(executor, [&order, i] { order.push_back(i); }));
        entries.back()->set(base::Deadline(begin + milliseconds((i * 37) % 100 / 10 * 10)));
    }
    entries.erase(entries.begin());  // those that are gone are not called
    run_until([&] { return order.size() == 99; });
    EXPECT_TRUE(std::ranges::is_sorted(order, {}, [](int i) { return (i * 37) % 100 / 10; }));
}

TEST_F(SweeperTest, is_not_held_up_by_a_deadline_that_sets_itself_to_the_past) {
    int calls = 0, others = 0;
    Sweeper::Entry other(executor, [&] { ++others; });
    std::unique_ptr<Sweeper::Entry> entry;
    entry = std::make_unique<Sweeper::Entry>(executor, [&] {
        ++calls;
        entry->set(base::Deadline(base::SteadyTime()));
    });
    entry->set(base::Deadline(base::SteadyTime()));
    other.set(base::Deadline::after(milliseconds(2)));
    run_until([&] { return others > 0; });
    EXPECT_GE(calls, 1);
}

TEST_F(SweeperTest, keeps_no_event_loop_going) {
    Sweeper::Entry entry(executor, [] { ADD_FAILURE(); });
    entry.set(base::Deadline::after(std::chrono::hours(1)));
    context.run();  // returns
}

TEST_F(SweeperTest, may_end_before_its_deadlines) {
    std::unique_ptr<Sweeper::Entry> entry;
    {
        asio::io_context gone;
        entry = std::make_unique<Sweeper::Entry>(gone.get_executor(), [] { ADD_FAILURE(); });
        entry->set(base::Deadline::after(milliseconds(0)));
        gone.run();
    }
}

}  // namespace
}  // namespace tertulia::async
