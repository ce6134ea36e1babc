// Every recorded answer, read whole and in pieces, against expectations computed by another program.

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <random>

#include "support/reader_outcome.h"
#include "support/recordings.h"
#include "tertulia/base/crypto.h"
#include "tertulia/providers/bedrock_error.h"
#include "tertulia/providers/local_server.h"
#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {
namespace {

namespace json = boost::json;
using support::ReaderOutcome;
using support::Recording;

std::string_view kind_of(const Recording& recording) {
    if (recording.api == "responses") return openai_responses_kind;
    if (recording.api == "messages") return anthropic_kind;
    if (recording.api.starts_with("converse")) return bedrock_converse_kind;
    return recording.api.starts_with("invoke") ? bedrock_invoke_kind : openai_chat_kind;
}

models::Failure error_of(const Recording& recording) {
    const auto read = recording.provider == "bedrock" ? bedrock_error : read_error;
    return read(recording.status, recording.headers, recording.body, base::Secret(), 0);
}

ReaderOutcome read(const Recording& recording, std::string_view body, const std::vector<std::size_t>& cuts = {}) {
    return support::read_answer(kind_of(recording), recording.headers.get("content-type"), body, cuts);
}

std::vector<Recording> all_recordings() {
    std::vector<Recording> all;
    for (const auto& [provider, api] : {std::pair{"anthropic", "messages"},
                                        {"openai", "chat"},
                                        {"azure-openai", "chat"},
                                        {"openai", "completions"},
                                        {"openai", "responses"},
                                        {"bedrock-mantle", "responses"},
                                        {"bedrock", "converse"},
                                        {"bedrock", "converse-stream"},
                                        {"bedrock", "invoke"},
                                        {"bedrock", "invoke-with-response-stream"}})
        for (Recording& recording : support::load_recordings(provider, api)) all.push_back(std::move(recording));
    return all;
}

// Those, and what llama-server answered to chats.
std::vector<Recording> whole_answers() {
    std::vector<Recording> answers = all_recordings();
    for (Recording& recording : support::load_llama_server())
        if (!recording.name.starts_with("3")) answers.push_back(std::move(recording));
    std::erase_if(answers, [](const Recording& recording) { return recording.status != 200; });
    return answers;
}

json::object expectations() {
    return json::parse(support::read_file("tests/fixtures/provider_answers.json")).at("answers").as_object();
}

json::value to_json(const std::optional<chat::Usage>& usage) {
    if (!usage) return nullptr;
    return json::array{usage->input, usage->cache_read, usage->cache_write + usage->cache_write_long, usage->output,
                       usage->reasoning};
}

// What the fixture says of an answer, of the outcome.
json::object describe(const ReaderOutcome& outcome) {
    json::object out;
    if (outcome.failure) {
        out["error"] = json::string(base::to_string(*outcome.code));
        return out;
    }
    const std::string text = outcome.text();
    out["text_bytes"] = text.size();
    out["text_sha256"] = base::sha256_hex(text);
    out["stop_reason"] = json::string(outcome.stop_reason ? chat::to_string(*outcome.stop_reason) : "none");
    out["usage"] = to_json(outcome.usage);
    std::string thinking;
    json::array calls, own;
    for (const chat::ContentBlock& block : outcome.blocks) {
        if (const auto* part = std::get_if<chat::Thinking>(&block)) {
            thinking += part->text + "|" + part->signature + "\n";
        } else if (const auto* call = std::get_if<chat::ToolCall>(&block)) {
            calls.push_back(json::array{call->id, call->name, json::parse(call->arguments)});
        } else if (const auto* native = std::get_if<chat::Native>(&block)) {
            const json::object object = json::parse(native->json).as_object();
            own.push_back(object.contains("type") ? object.at("type") : json::value(object.begin()->key()));
        }
    }
    if (!thinking.empty()) out["thinking_sha256"] = base::sha256_hex(thinking);
    if (!calls.empty()) out["tool_calls"] = calls;
    if (!own.empty()) out["own_blocks"] = own;
    return out;
}

TEST(Recordings, become_what_another_program_makes_of_them) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    const json::object expected = expectations();
    std::size_t seen = 0;
    for (const Recording& recording : all_recordings()) {
        ReaderOutcome outcome;
        if (recording.status == 200) {
            outcome = read(recording, recording.body);
        } else {
            const models::Failure failure = error_of(recording);
            outcome.failure = failure.kind;
            outcome.code = failure.error.code;
        }
        ASSERT_TRUE(expected.contains(recording.name)) << recording.name;
        const json::value found = describe(outcome);
        EXPECT_TRUE(found == expected.at(recording.name))
            << recording.name << "\nis      " << json::serialize(found) << "\ninstead "
            << json::serialize(expected.at(recording.name));
        ++seen;
    }
    EXPECT_EQ(seen, expected.size());
}

TEST(Recordings, errors_are_told_apart) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    using models::FailureKind;
    const std::map<std::string, FailureKind> expected = {
        {"anthropic-messages-error-400-effort", FailureKind::rejected},
        {"anthropic-messages-error-401", FailureKind::denied},
        {"anthropic-messages-error-429", FailureKind::overloaded},
        {"anthropic-messages-error-500", FailureKind::overloaded},
        {"anthropic-messages-error-500b", FailureKind::overloaded},
        {"anthropic-messages-error-529", FailureKind::overloaded},
        {"azure-chat-error-400-content-filter", FailureKind::rejected},
        {"bedrock-converse-error-400-model", FailureKind::rejected},
        {"bedrock-converse-error-403-expired", FailureKind::denied},
        {"bedrock-converse-error-429", FailureKind::overloaded},
        {"bedrock-converse-stream-error-400-model", FailureKind::rejected},
        {"bedrock-invoke-error-400-model", FailureKind::rejected},
        {"bedrock-invoke-stream-error-400-model", FailureKind::rejected},
        {"openai-chat-error-400-context-length", FailureKind::context_too_long},
        {"openai-chat-error-400-context-length2", FailureKind::context_too_long},
        {"openai-chat-error-400-image-url", FailureKind::rejected},
        {"openai-chat-error-400-unsupported-role", FailureKind::rejected},
        {"openai-chat-error-404-model", FailureKind::denied},
        {"openai-chat-error-429-tokens", FailureKind::overloaded},
        {"openai-error-401", FailureKind::denied},
        {"openai-responses-error-400-model", FailureKind::rejected},
    };
    std::size_t seen = 0;
    for (const Recording& recording : all_recordings()) {
        if (recording.status < 300) continue;
        ++seen;
        const models::Failure failure = error_of(recording);
        const auto row = expected.find(recording.name);
        ASSERT_NE(row, expected.end()) << recording.name;
        EXPECT_EQ(failure.kind, row->second) << recording.name << ": " << failure.error.message;
        if (recording.name == "openai-chat-error-429-tokens") {
            EXPECT_EQ(failure.error.retry_after, std::chrono::milliseconds(6));
            EXPECT_EQ(failure.error.message.find("org-"), std::string::npos) << failure.error.message;
        }
    }
    EXPECT_EQ(seen, expected.size());
}

// How many bytes are fed per recording at most: two-way cuts of a body of n bytes cost n bytes each.
constexpr std::size_t two_way_budget = 10'000'000;

TEST(Recordings, are_the_same_wherever_they_are_cut) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    std::mt19937 random(20261122);
    for (const Recording& recording : whole_answers()) {
        const std::string& body = recording.body;
        const ReaderOutcome whole = read(recording, body);
        EXPECT_EQ(read(recording, body, support::every_byte(body)), whole) << recording.name << " byte by byte";
        const std::size_t cuts = std::max<std::size_t>(std::min(body.size(), two_way_budget / body.size()), 8);
        const std::size_t stride = std::max<std::size_t>(body.size() / cuts, 1);
        for (std::size_t cut = 1 + random() % stride; cut < body.size(); cut += stride)
            ASSERT_EQ(read(recording, body, {cut}), whole) << recording.name << " cut at " << cut;
        for (int round = 0; round < 8; ++round) {
            std::vector<std::size_t> pieces;
            for (std::size_t at = 0; (at += 1 + random() % (std::size_t(3) << round * 2)) < body.size();)
                pieces.push_back(at);
            ASSERT_EQ(read(recording, body, pieces), whole) << recording.name << " in random pieces, round " << round;
        }
    }
}

TEST(Recordings, cut_short_are_never_taken_for_whole) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    for (const Recording& recording : whole_answers()) {
        const std::string_view body = recording.body;
        const ReaderOutcome whole = read(recording, body);
        const std::size_t stride = std::max<std::size_t>(body.size() * body.size() / two_way_budget, 1);
        for (std::size_t size = 0; size < body.size(); size += stride) {
            const ReaderOutcome cut = read(recording, body.substr(0, size));
            ASSERT_EQ(cut.stop_reason.has_value(), !cut.failure.has_value()) << recording.name << " " << size;
            if (cut.failure) continue;
            // Only what follows the terminal event is missing: nothing of the answer, at most its usage.
            ASSERT_EQ(cut.blocks, whole.blocks) << recording.name << " at " << size;
            ASSERT_EQ(cut.stop_reason, whole.stop_reason) << recording.name << " at " << size;
        }
    }
}

TEST(LlamaServer, answers_are_read_like_the_others) {
    TERTULIA_NEED_SHARED_DATA("llama-server");
    using chat::StopReason;
    using models::FailureKind;
    struct Row {
        std::optional<StopReason> stop;
        const char* text;
        std::optional<chat::Usage> usage;
        FailureKind failure = FailureKind::rejected;
    };
    const auto usage = [](std::int64_t input, std::int64_t read, std::int64_t output) {
        return chat::Usage{.input = input, .cache_read = read, .output = output};
    };
    const char* const paris = "The capital of France is Paris.";
    const std::map<std::string, Row> expected = {
        {"01-whole", {StopReason::end_turn, paris, usage(36, 0, 8)}},
        {"02-stream-usage", {StopReason::end_turn, paris, usage(1, 35, 8)}},
        {"08-overflow", {std::nullopt, "", std::nullopt, FailureKind::context_too_long}},
        {"08b-overflow-stream", {std::nullopt, "", std::nullopt, FailureKind::context_too_long}},
        {"09b-no-messages", {std::nullopt, "", std::nullopt, FailureKind::rejected}},
    };
    for (const Recording& recording : support::load_llama_server()) {
        const auto row = expected.find(recording.name);
        if (recording.status != 200) {
            const models::Failure failure =
                read_error(recording.status, recording.headers, recording.body, base::Secret(), 0);
            EXPECT_TRUE(row == expected.end() || failure.kind == row->second.failure)
                << recording.name << " " << failure.error.message;
            continue;
        }
        if (recording.name.starts_with("3")) continue;  // not a chat answer
        const ReaderOutcome whole = read(recording, recording.body);
        EXPECT_FALSE(whole.failure) << recording.name << " " << whole.message;
        EXPECT_TRUE(whole.stop_reason) << recording.name;
        if (row == expected.end()) continue;
        EXPECT_EQ(whole.stop_reason, row->second.stop) << recording.name;
        EXPECT_EQ(whole.text(), row->second.text) << recording.name;
        EXPECT_EQ(whole.usage, row->second.usage) << recording.name;
    }
}

TEST(LlamaServer, tells_its_context_window) {
    EXPECT_EQ(parse_context_window(R"({"data":[{"id":"m","meta":{"n_ctx":4096}}]})"), 4096);
    for (const std::string_view body : {"", "{}", R"({"data":[]})", R"({"data":[{"id":"m"}]})",
                                        R"({"data":[{"meta":{"n_ctx":0}}]})", R"({"data":[{"meta":null}]})"})
        EXPECT_EQ(parse_context_window(body), std::nullopt) << body;
    TERTULIA_NEED_SHARED_DATA("llama-server");
    for (const Recording& recording : support::load_llama_server())
        if (recording.name == "30-models") EXPECT_EQ(parse_context_window(recording.body), 4096);
}

}  // namespace
}  // namespace tertulia::providers
