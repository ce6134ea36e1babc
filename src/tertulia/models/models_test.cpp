#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/models/model_directory.h"
#include "tertulia/models/model_limits.h"

namespace tertulia::models {
namespace {

class NoProvider final : public Provider {
  public:
    std::string_view kind() const override { return "none"; }
    async::Task<Attempt<std::unique_ptr<AnswerStream>>> open(const ModelRequest&, std::stop_token,
                                                             base::Deadline) override {
        co_return std::unexpected(Failure{});
    }
    std::vector<std::string> ignored_parameters(const ModelRequest&) const override { return {}; }
    bool takes_prefill(std::string_view) const override { return false; }
};

ModelDirectory two_providers() {
    ModelDirectory directory;
    directory.add("anthropic", {.provider = std::make_unique<NoProvider>()});
    directory.add("my-server", {.provider = std::make_unique<NoProvider>()});
    directory.set_default_provider("my-server");
    return directory;
}

TEST(ModelDirectory, SplitsAtTheFirstSlashAndPassesTheRestOn) {
    const ModelDirectory directory = two_providers();
    EXPECT_EQ(directory.resolve("anthropic/claude")->targets[0].model, "claude");
    EXPECT_EQ(directory.resolve("my-server/a/b:c@1.5")->targets[0].model, "a/b:c@1.5");
    EXPECT_EQ(directory.resolve("my-server/a/b")->targets[0].name, "my-server/a/b");
}

TEST(ModelDirectory, AnIdWithoutASlashGoesToTheDefaultProvider) {
    EXPECT_EQ(two_providers().resolve("llama3")->targets[0].name, "my-server/llama3");
    ModelDirectory one;
    one.add("only", {.provider = std::make_unique<NoProvider>()});
    EXPECT_EQ(one.resolve("x")->targets[0].name, "only/x");
}

TEST(ModelDirectory, AnUnknownPrefixIsRefusedWithTheList) {
    const auto refused = two_providers().resolve("nosuch/thing");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::invalid_request);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("anthropic, my-server"));
    EXPECT_FALSE(two_providers().resolve("anthropic/"));
}

TEST(ModelLimits, KnowsWindowsByNameAndEdition) {
    const ModelLimits limits;
    const struct {
        const char* model;
        std::int64_t window;
        bool known;
    } table[] = {
        {"gpt-4", 8192, true},
        {"gpt-4-0613", 8192, true},
        {"gpt-4-turbo-2024-04-09", 128000, true},
        {"gpt-4o-2024-08-06", 128000, true},
        {"gpt-4.1-mini", 1047576, true},
        {"claude-sonnet-4-5-20250929", 200000, true},
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200000, true},
        {"amazon.nova-lite-v1:0", 300000, true},
        {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0", 200000,
         true},
        {"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", 128000, false},
        {"anthropic/claude-sonnet-4.5", 200000, true},
        {"claude-3.5-sonnet:beta", 200000, true},
        {"gpt-4-vision-preview", 128000, true},
        {"gpt-4.5-preview", 128000, false},
        {"gpt-4.2", 128000, false},
        {"gpt-42", 128000, false},
        {"llama3:8b", 128000, false},
    };
    for (const auto& row : table) {
        const Limits found = limits.limits(std::string("p/") + row.model, row.model);
        EXPECT_EQ(found.context_window, row.window) << row.model;
        EXPECT_EQ(found.known, row.known) << row.model;
    }
}

TEST(ModelLimits, AConfiguredWindowGoesFirst) {
    ModelLimits limits;
    limits.set_window("openai/gpt-4", 1000);
    EXPECT_EQ(limits.limits("openai/gpt-4", "gpt-4").context_window, 1000);
    EXPECT_EQ(limits.limits("azure/gpt-4", "gpt-4").context_window, 8192);
}

TEST(ModelLimits, AProvidersOwnWindowCountsWhereItIsSmaller) {
    ModelLimits limits;
    limits.lower_window("openai/gpt-4", 100'000);
    EXPECT_EQ(limits.limits("openai/gpt-4", "gpt-4").context_window, 8192);
    limits.lower_window("openai/gpt-4", 4096);
    EXPECT_EQ(limits.limits("openai/gpt-4", "gpt-4").context_window, 4096);
    EXPECT_EQ(limits.limits("azure/gpt-4", "gpt-4").context_window, 8192);
    limits.set_window("p/m", 2000);
    limits.lower_window("p/m", 1000);
    EXPECT_EQ(limits.limits("p/m", "m").context_window, 1000);
    limits.lower_window("p/other", 1000);
    EXPECT_TRUE(limits.limits("p/other", "other").known);
}

TEST(ModelLimits, OfPromptsThatWereRefusedTheSmallestIsKnown) {
    ModelLimits limits;
    EXPECT_EQ(limits.limits("p/m", "m").refused_prompt, 0);
    limits.was_too_long("p/m", 4000);
    limits.was_too_long("p/m", 5000);
    limits.was_too_long("p/m", 20);  // so little is refused for something else
    EXPECT_EQ(limits.limits("p/m", "m").refused_prompt, 4000);
    limits.learn("p/m", 3999, 5000);
    EXPECT_EQ(limits.limits("p/m", "m").refused_prompt, 4000);
    EXPECT_EQ(limits.limits("p/m", "m").context_window, Limits::default_window);
    EXPECT_EQ(limits.limits("p/other", "other").refused_prompt, 0);
    limits.learn("p/m", 4000, 5000);
    EXPECT_EQ(limits.limits("p/m", "m").refused_prompt, 0) << "it was taken after all";
}

TEST(ModelLimits, LearnsFromWhatProvidersReport) {
    ModelLimits limits;
    EXPECT_EQ(limits.estimate("p/m", 1000), 1000);
    for (int i = 0; i < 20; ++i) limits.learn("p/m", 1000, 1300);
    EXPECT_NEAR(static_cast<double>(limits.estimate("p/m", 1000)), 1300, 15);
    limits.learn("p/other", 10, 500);  // too little to learn from
    EXPECT_EQ(limits.estimate("p/other", 1000), 1000);
}

TEST(ModelLimits, EveryProviderOfTheTableHasADefaultModel) {
    EXPECT_EQ(default_model("anthropic"), "claude-sonnet-4-5");
    EXPECT_NE(default_model("openai"), "");
    EXPECT_EQ(default_model("nosuch"), "");
}

TEST(EstimateTokens, CountsAsciiAndTheRestApart) {
    EXPECT_EQ(estimate_tokens(""), 0);
    EXPECT_EQ(estimate_tokens("abcd"), 1);
    EXPECT_EQ(estimate_tokens("漢字"), 4);
}

}  // namespace
}  // namespace tertulia::models
