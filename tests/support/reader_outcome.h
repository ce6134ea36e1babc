// What a provider's reader makes of a body, fed in pieces. Header only; for tests that link tertulia_providers.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/message_builder.h"
#include "tertulia/providers/anthropic_wire.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_invoke_wire.h"
#include "tertulia/providers/openai_chat_wire.h"
#include "tertulia/providers/openai_responses_wire.h"

namespace tertulia::support {

/// Everything that can be told from outside: two ways of cutting the same bytes must give equal ones.
struct ReaderOutcome {
    std::vector<chat::ContentBlock> blocks;
    bool refused = false;
    std::optional<chat::Usage> usage;
    std::optional<chat::StopReason> stop_reason;  ///< the effective one
    std::optional<models::FailureKind> failure;
    std::optional<base::Errc> code;
    std::string message;

    std::string text() const { return chat::text_of(blocks); }
    bool operator==(const ReaderOutcome&) const = default;
};

inline void PrintTo(const ReaderOutcome& outcome, std::ostream* out) {
    *out << chat::blocks_to_json(outcome.blocks) << " stop "
         << (outcome.stop_reason ? chat::to_string(*outcome.stop_reason) : "none") << " error "
         << (outcome.code ? base::to_string(*outcome.code) : "none") << " " << outcome.message;
    if (outcome.usage)
        *out << " usage " << outcome.usage->input << "/" << outcome.usage->cache_read << "/"
             << outcome.usage->cache_write << "/" << outcome.usage->output << "/" << outcome.usage->reasoning;
}

inline std::unique_ptr<providers::WireReader> make_reader(std::string_view kind, std::string_view content_type) {
    if (kind == providers::anthropic_kind)
        return std::make_unique<providers::AnthropicReader>(content_type, base::Secret("the-key"));
    if (kind == providers::openai_responses_kind)
        return std::make_unique<providers::OpenAiResponsesReader>(content_type, base::Secret("the-key"));
    if (kind == providers::bedrock_converse_kind)
        return std::make_unique<providers::BedrockConverseReader>(content_type, base::Secret("the-key"));
    if (kind == providers::bedrock_invoke_kind)
        return std::make_unique<providers::BedrockInvokeReader>(content_type, base::Secret("the-key"), "some.model");
    return std::make_unique<providers::OpenAiChatReader>(content_type, base::Secret("the-key"));
}

/// Feeds `body` cut at the offsets `cuts` (ascending), as a stream over HTTP would: each piece with fresh events.
inline ReaderOutcome read_answer(std::string_view kind, std::string_view content_type, std::string_view body,
                                 const std::vector<std::size_t>& cuts = {}) {
    const std::unique_ptr<providers::WireReader> reader = make_reader(kind, content_type);
    chat::AnswerEvents all, step;
    models::Attempt<void> attempt;
    std::size_t at = 0;
    const auto feed_to = [&](std::size_t end) {
        step.clear();
        // A copy of just these bytes: a reader that looks past its piece is found by the sanitizer.
        const std::string piece(body.substr(at, end - at));
        attempt = reader->feed(piece, step);
        all.append(step);
        at = end;
        return attempt.has_value();
    };
    bool going_on = true;
    for (const std::size_t cut : cuts) going_on = going_on && feed_to(cut);
    going_on = going_on && feed_to(body.size());
    if (going_on) {
        step.clear();
        attempt = reader->end(true, step);
        all.append(step);
    }
    const chat::Answer answer = chat::build_answer(all, kind);
    ReaderOutcome outcome{.blocks = answer.blocks, .refused = answer.refused, .usage = all.usage};
    if (all.finish) outcome.stop_reason = chat::effective_stop_reason(*all.finish, answer);
    if (!attempt) {
        outcome.failure = attempt.error().kind;
        outcome.code = attempt.error().error.code;
        outcome.message = attempt.error().error.message;
    }
    return outcome;
}

/// One piece per byte.
inline std::vector<std::size_t> every_byte(std::string_view body) {
    std::vector<std::size_t> cuts;
    for (std::size_t at = 1; at < body.size(); ++at) cuts.push_back(at);
    return cuts;
}

/// Read whole, in two pieces at every cut, and in single bytes: the same outcome every time.
inline ReaderOutcome read_however_cut(std::string_view kind, std::string_view content_type, std::string_view body) {
    const ReaderOutcome whole = read_answer(kind, content_type, body);
    for (std::size_t cut = 1; cut < body.size(); ++cut) {
        const ReaderOutcome two = read_answer(kind, content_type, body, {cut});
        if (two != whole) {
            EXPECT_EQ(two, whole) << "cut at " << cut;
            break;
        }
    }
    EXPECT_EQ(read_answer(kind, content_type, body, every_byte(body)), whole);
    return whole;
}

/// These events as a stream; `before`: the lines before each one's data.
inline std::string sse_stream(std::initializer_list<std::string_view> events, std::string_view before = {}) {
    std::string body;
    for (const std::string_view event : events) body.append(before).append("data: ").append(event).append("\n\n");
    return body;
}

}  // namespace tertulia::support
