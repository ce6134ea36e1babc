#include "tertulia/async/sweeper.h"

#include <gtest/gtest.h>

namespace tertulia::async {
namespace {

using std::chrono::milliseconds;

TEST(Sweeper, calls_each_deadline_once_in_time_and_then_lets_the_loop_end) {
    asio::io_context context;
    Sweeper sweeper(context.get_executor());
    const auto begin = std::chrono::steady_clock::now();
    int near = 0, far = 0, cleared = 0;
    milliseconds near_after{}, far_after{};
    const auto since = [&] {
        return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
    };
    Sweeper::Entry first(sweeper, [&] { near_after = since(), ++near; });
    Sweeper::Entry second(sweeper, [&] { far_after = since(), ++far; });
    Sweeper::Entry third(sweeper, [&] { ++cleared; });
    second.set(base::Deadline(begin + Sweeper::tick + milliseconds(50)));
    third.set(base::Deadline(begin + milliseconds(10)));
    first.set(base::Deadline(begin + milliseconds(20)));
    third.clear();
    context.run();  // returns: no timer is left
    EXPECT_EQ(near, 1);
    EXPECT_EQ(far, 1);
    EXPECT_EQ(cleared, 0);
    EXPECT_GE(near_after, milliseconds(20));
    EXPECT_LT(near_after, Sweeper::tick) << "a near deadline does not wait for the tick";
    EXPECT_GE(far_after, Sweeper::tick + milliseconds(50));
}

TEST(Sweeper, takes_a_deadline_that_has_passed_and_one_that_is_set_again) {
    asio::io_context context;
    Sweeper sweeper(context.get_executor());
    int calls = 0;
    Sweeper::Entry entry(sweeper, [&] { ++calls; });
    entry.set(base::Deadline(std::chrono::steady_clock::now() - milliseconds(1)));
    context.run();
    EXPECT_EQ(calls, 1);
    context.restart();
    entry.set(base::Deadline::after(milliseconds(1)));
    context.run();
    EXPECT_EQ(calls, 2);
}

TEST(Sweeper, may_go_while_its_timer_runs) {
    asio::io_context context;
    {
        Sweeper sweeper(context.get_executor());
        Sweeper::Entry entry(sweeper, [] { ADD_FAILURE(); });
        entry.set(base::Deadline::after(milliseconds(0)));
    }
    context.run();
}

}  // namespace
}  // namespace tertulia::async
