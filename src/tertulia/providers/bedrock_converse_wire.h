// Amazon Bedrock's Converse and ConverseStream, without any I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/secret.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/wire_reader.h"

namespace tertulia::providers {

/// The provider kind: the maker of its thinking and native blocks.
inline constexpr std::string_view bedrock_converse_kind = "bedrock-converse";

/// The path of `POST`: `/model/{id}/converse-stream`, or `/converse` where the request is not to be streamed.
std::string bedrock_converse_path(const models::ModelRequest& request);

/// The JSON body. Reasoning with its signature and native blocks go back only where this kind made them, and only to
/// the family of models that can have made them; pictures and documents by URL, which the API does not fetch, become a
/// line of text; messages of one role in a row are joined; documents get names that the API takes, each its own. Cache
/// points, where the model takes them, stand behind the tools (Claude's), the system text and the stable history.
std::string build_bedrock_converse_body(const models::ModelRequest& request);

/// Reads an answer of Converse (JSON) or ConverseStream (`application/vnd.amazon.eventstream`): text, reasoning, tool
/// calls, other blocks whole (Kind::native), usage, exceptions in mid-stream by their type; unknown events and deltas
/// are skipped. `metadata` with the usage comes behind `messageStop` and ends the answer. Where it is missing but the
/// body ended as its framing says, the answer is complete all the same, without a usage: nothing of its content can be
/// missing behind `messageStop`, and asking again would be paid for twice. One per worker.
class BedrockConverseReader : public WireReader {
  public:
    /// `key` is made `***` in error texts.
    BedrockConverseReader(std::string_view content_type, base::Secret key)
        : WireReader(content_type, std::move(key), StreamForm::aws_event_stream) {}

  private:
    // A block between its start and its stop. All but tool calls are passed on whole: a server tool's call or result,
    // redacted reasoning.
    struct OpenBlock {
        enum class Kind : std::uint8_t { tool_call, server_call, server_result, redacted };
        std::uint32_t index = 0;
        Kind kind = Kind::tool_call;
        std::string head;     // its JSON up to what the deltas give
        std::string content;  // that (redacted reasoning: its bytes)
    };

    models::Attempt<void> read_frame(const aws::EventStreamMessage& message, chat::AnswerEvents& into) override;
    models::Attempt<void> read_end(chat::AnswerEvents& into) override;
    models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) override;

    models::Attempt<void> start_block(const simdjson::dom::element& event, chat::AnswerEvents& into);
    models::Attempt<void> read_delta(const simdjson::dom::element& event, chat::AnswerEvents& into);
    void stop_block(std::uint32_t index, chat::AnswerEvents& into);
    OpenBlock* find_open(std::uint32_t index);
    models::Attempt<void> keep(std::uint32_t index, const simdjson::dom::element& tool_result);
    models::Attempt<void> keep(OpenBlock& block, std::string_view more);
    models::Attempt<void> keep_redacted(std::uint32_t index, std::string_view base64);
    models::Attempt<void> stop(std::string_view reason);

    std::vector<OpenBlock> open_;
    std::size_t kept_bytes_ = 0;  // in open_
    std::optional<chat::StopReason> stop_reason_;
    bool has_metadata_ = false;  // it came before the stop reason
};

}  // namespace tertulia::providers
