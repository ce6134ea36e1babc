#include "tertulia/async/alarms.h"

#include <gtest/gtest.h>

#include <random>

namespace tertulia::async {
namespace {

using std::chrono::milliseconds;

TEST(Alarms, calls_each_deadline_once_in_time_and_then_lets_the_loop_end) {
    asio::io_context context;
    Alarms alarms(context.get_executor());
    const auto begin = std::chrono::steady_clock::now();
    int near = 0, far = 0, cleared = 0;
    milliseconds near_after{}, far_after{};
    const auto since = [&] {
        return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
    };
    CallingAlarm first(alarms, [&] { near_after = since(), ++near; });
    CallingAlarm second(alarms, [&] { far_after = since(), ++far; });
    CallingAlarm third(alarms, [&] { ++cleared; });
    second.set(base::Deadline(begin + Alarms::tick + milliseconds(50)));
    third.set(base::Deadline(begin + milliseconds(10)));
    first.set(base::Deadline(begin + milliseconds(20)));
    third.clear();
    context.run();  // returns: no timer is left
    EXPECT_EQ(near, 1);
    EXPECT_EQ(far, 1);
    EXPECT_EQ(cleared, 0);
    EXPECT_GE(near_after, milliseconds(20));
    EXPECT_LT(near_after, Alarms::tick) << "a near deadline does not wait for the tick";
    EXPECT_GE(far_after, Alarms::tick + milliseconds(50));
}

TEST(Alarms, takes_a_deadline_that_has_passed_and_one_that_is_set_again) {
    asio::io_context context;
    Alarms alarms(context.get_executor());
    int calls = 0;
    CallingAlarm entry(alarms, [&] { ++calls; });
    entry.set(base::Deadline(std::chrono::steady_clock::now() - milliseconds(1)));
    context.run();
    EXPECT_EQ(calls, 1);
    context.restart();
    entry.set(base::Deadline::after(milliseconds(1)));
    context.run();
    EXPECT_EQ(calls, 2);
}

TEST(Alarms, rings_when_it_was_put_off_to_and_not_before) {
    asio::io_context context;
    Alarms alarms(context.get_executor());
    const auto begin = std::chrono::steady_clock::now();
    std::vector<int> rung;
    CallingAlarm later(alarms, [&] { rung.push_back(2); });
    CallingAlarm sooner(alarms, [&] { rung.push_back(1); });
    CallingAlarm again(alarms, [&] {
        rung.push_back(3);
        EXPECT_GE(std::chrono::steady_clock::now() - begin, Alarms::tick + milliseconds(60));
    });
    later.set(base::Deadline(begin + milliseconds(1)));
    later.set(base::Deadline(begin + milliseconds(40)));
    sooner.set(base::Deadline(begin + std::chrono::hours(1)));
    sooner.set(base::Deadline(begin + milliseconds(20)));
    for (int i = 0; i <= 60; ++i) again.set(base::Deadline(begin + Alarms::tick + milliseconds(i)));
    context.run();
    EXPECT_EQ(rung, (std::vector{1, 2, 3}));
}

TEST(Alarms, keeps_each_of_many_that_come_and_go) {
    asio::io_context context;
    Alarms alarms(context.get_executor());
    const auto begin = std::chrono::steady_clock::now();
    struct One {
        std::unique_ptr<CallingAlarm> alarm;
        base::SteadyTime at = base::SteadyTime::max();
        int rung = 0;
        bool early = false;
    };
    std::vector<One> all(300);
    std::minstd_rand random(7);
    for (One& one : all)
        one.alarm = std::make_unique<CallingAlarm>(alarms, [&one] {
            ++one.rung;
            one.early = std::chrono::steady_clock::now() < one.at;
        });
    for (int i = 0; i < 3000; ++i) {
        One& one = all[random() % all.size()];
        if (!one.alarm) continue;
        one.at = begin + milliseconds(500 + random() % 700);
        if (random() % 4 == 0) one.at = base::SteadyTime::max();
        one.alarm->set(base::Deadline(one.at));
        if (random() % 40 == 0) one.alarm.reset();
    }
    context.run();
    for (const One& one : all) {
        EXPECT_EQ(one.rung, one.alarm && one.at != base::SteadyTime::max() ? 1 : 0);
        EXPECT_FALSE(one.early);
    }
}

TEST(Alarms, may_destroy_each_other) {
    asio::io_context context;
    Alarms alarms(context.get_executor());
    std::unique_ptr<CallingAlarm> second;
    CallingAlarm first(alarms, [&] { second.reset(); });
    second = std::make_unique<CallingAlarm>(alarms, [] { ADD_FAILURE(); });
    const auto now = std::chrono::steady_clock::now();
    first.set(base::Deadline(now + milliseconds(1)));
    second->set(base::Deadline(now + milliseconds(2)));
    while (std::chrono::steady_clock::now() < now + milliseconds(5)) {
    }
    context.run();
    EXPECT_FALSE(second);
}

TEST(Alarms, may_go_while_its_timer_runs) {
    asio::io_context context;
    {
        Alarms alarms(context.get_executor());
        CallingAlarm entry(alarms, [] { ADD_FAILURE(); });
        entry.set(base::Deadline::after(milliseconds(0)));
    }
    context.run();
}

}  // namespace
}  // namespace tertulia::async
