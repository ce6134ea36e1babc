// Our disjoint classes of tokens against the totals that the recorded answers themselves state.

#include <gtest/gtest.h>

#include <regex>

#include "support/reader_outcome.h"
#include "support/recordings.h"

namespace tertulia::providers {
namespace {

// The last count of this name in the body; frames of event streams hold their JSON as it is.
std::optional<std::int64_t> last_count(const std::string& body, const char* name) {
    const std::regex pattern(std::string("\"") + name + "\":\\s*(\\d+)");
    std::optional<std::int64_t> last;
    for (std::sregex_iterator found(body.begin(), body.end(), pattern), end; found != end; ++found)
        last = std::stoll((*found)[1]);
    return last;
}

struct Stated {
    std::optional<std::int64_t> prompt, completion, total;
};

Stated stated(const support::Recording& recording) {
    const std::string& body = recording.body;
    if (recording.api == "chat" || recording.api == "completions")
        return {last_count(body, "prompt_tokens"), last_count(body, "completion_tokens"),
                last_count(body, "total_tokens")};
    if (recording.api == "responses")
        return {last_count(body, "input_tokens"), last_count(body, "output_tokens"), last_count(body, "total_tokens")};
    if (recording.api.starts_with("converse"))
        return {std::nullopt, last_count(body, "outputTokens"), last_count(body, "totalTokens")};
    const auto fresh = last_count(body, "input_tokens");
    if (!fresh) return {};
    return {*fresh + last_count(body, "cache_read_input_tokens").value_or(0) +
                last_count(body, "cache_creation_input_tokens").value_or(0),
            last_count(body, "output_tokens"), std::nullopt};
}

TEST(RecordedUsage, our_classes_add_up_to_what_the_provider_states) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    std::size_t compared = 0;
    for (const auto& [provider, api, kind] : {std::tuple{"openai", "chat", openai_chat_kind},
                                              {"azure-openai", "chat", openai_chat_kind},
                                              {"openai", "responses", openai_responses_kind},
                                              {"bedrock-mantle", "responses", openai_responses_kind},
                                              {"bedrock", "converse", bedrock_converse_kind},
                                              {"bedrock", "converse-stream", bedrock_converse_kind},
                                              {"bedrock", "invoke", bedrock_invoke_kind},
                                              {"openai", "completions", openai_chat_kind},
                                              {"anthropic", "messages", anthropic_kind}}) {
        for (const support::Recording& recording : support::load_recordings(provider, api)) {
            if (recording.status != 200) continue;
            const support::ReaderOutcome outcome =
                support::read_answer(kind, recording.headers.get("content-type"), recording.body);
            if (!outcome.usage) continue;
            const Stated expected = stated(recording);
            if (expected.prompt) EXPECT_EQ(outcome.usage->prompt(), expected.prompt) << recording.name;
            EXPECT_EQ(outcome.usage->completion(), expected.completion) << recording.name;
            if (expected.total)
                EXPECT_EQ(outcome.usage->prompt() + outcome.usage->completion(), expected.total) << recording.name;
            EXPECT_TRUE(expected.prompt || expected.total) << recording.name;
            ++compared;
        }
    }
    EXPECT_GT(compared, 110U);
}

}  // namespace
}  // namespace tertulia::providers
