#include "tertulia/providers/keyed_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/fake_provider.h"
#include "support/manual_clock.h"
#include "tertulia/async/worker.h"

namespace tertulia::providers {
namespace {

using async::Task;
using base::Deadline;
using models::FailureKind;
using testing::ElementsAre;

class KeyedProviderTest : public testing::Test {
  protected:
    KeyedProviderTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("test"); }
    ~KeyedProviderTest() override { worker_.join(); }

    KeyedProvider::Config config() {
        return {.name = "anthropic",
                .make =
                    [this](const base::Secret& key) {
                        made_.push_back(key.reveal());
                        auto provider = std::make_unique<test::FakeProvider>();
                        for (int i = 0; key.reveal() == "revoked" && i < 3; ++i)
                            provider->script.push_back(
                                {.refusal = models::Failure{
                                     FailureKind::denied, {.code = base::Errc::upstream_rejected, .message = "401"}}});
                        return provider;
                    },
                .fetch = [this](std::stop_token, Deadline) -> Task<base::Result<base::Secret>> {
                    const auto answer = fetches_.at(fetched_++);
                    if (answer.empty()) co_return base::fail(base::Errc::forbidden, "arn:hush is not for us");
                    co_return base::Secret(answer);
                },
                .on_failure = [this](const base::Error& error) { told_.push_back(error.message); }};
    }

    static models::ModelRequest request() {
        return {.messages = {{.role = chat::Role::user, .content = {chat::Text{"Hi"}}}}};
    }

    // "answered", or the failure.
    Task<std::string> ask(KeyedProvider& provider) {
        const models::ModelRequest asked = request();
        auto opened = co_await provider.open(asked, {}, Deadline::after(std::chrono::seconds(30)));
        if (opened) co_return "answered";
        last_ = opened.error();
        co_return std::string(base::to_string(opened.error().error.code)) + ": " + opened.error().error.message;
    }

    void run(std::function<Task<void>()> test) { worker_.run_until_done(test()); }

    test::ManualClock clock_;
    async::Worker worker_;
    aws::SharedSecret key_{clock_};
    std::vector<std::string> fetches_;  // keys; empty: a failure
    std::size_t fetched_ = 0;
    std::vector<std::string> made_, told_;
    models::Failure last_;
};

TEST_F(KeyedProviderTest, the_key_is_fetched_once_at_first_need) {
    fetches_ = {"k1"};
    KeyedProvider first(key_, config()), second(key_, config());
    EXPECT_EQ(first.kind(), "fake");
    EXPECT_FALSE(first.takes_prefill("m"));
    EXPECT_EQ(fetched_, 0u);
    run([&]() -> Task<void> {
        EXPECT_EQ(co_await ask(first), "answered");
        EXPECT_EQ(co_await ask(first), "answered");
        EXPECT_EQ(co_await ask(second), "answered");
    });
    EXPECT_EQ(fetched_, 1u);
    EXPECT_THAT(made_, ElementsAre("", "", "k1", "k1"));
}

TEST_F(KeyedProviderTest, without_it_the_turn_fails_and_the_next_one_tries_again) {
    fetches_ = {"", "k1"};
    KeyedProvider provider(key_, config());
    run([&]() -> Task<void> {
        EXPECT_EQ(co_await ask(provider),
                  "unavailable: The server cannot read its key for the provider anthropic; its log says why.");
        EXPECT_EQ(last_.kind, FailureKind::denied);
        EXPECT_EQ(co_await ask(provider), "answered");
    });
    EXPECT_THAT(told_, ElementsAre("arn:hush is not for us"));
}

TEST_F(KeyedProviderTest, a_key_that_was_changed_is_fetched_anew) {
    fetches_ = {"revoked", "k2"};
    KeyedProvider provider(key_, config());
    run([&]() -> Task<void> {
        EXPECT_EQ(co_await ask(provider), "upstream_rejected: 401");
        clock_.advance(std::chrono::hours(1));
        EXPECT_EQ(co_await ask(provider), "upstream_rejected: 401");
        EXPECT_EQ(co_await ask(provider), "answered");
    });
    EXPECT_THAT(made_, ElementsAre("", "revoked", "k2"));
}

}  // namespace
}  // namespace tertulia::providers
