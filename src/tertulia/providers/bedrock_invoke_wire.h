// Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream with Anthropic's bodies, without any I/O.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/base/secret.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/anthropic_wire.h"

namespace tertulia::providers {

/// The provider kind: the maker of its thinking and native blocks.
inline constexpr std::string_view bedrock_invoke_kind = "bedrock-invoke";

/// The path of `POST`: `/model/{id}/invoke-with-response-stream`, or `/invoke` where the request is not to be streamed.
std::string bedrock_invoke_path(const models::ModelRequest& request);

/// The JSON body: Anthropic's, with `anthropic_version` and without the model and `stream`, which the path says. What
/// Bedrock's host does not take is said otherwise: pictures and documents by URL become a line of text, `tool_choice`
/// is never `none`, and models from before prompt caches get no breakpoints.
std::string build_bedrock_invoke_body(const models::ModelRequest& request);

/// Reads an answer in Anthropic's form: whole, or as its events in base64 within `chunk` messages. Counts that the
/// events do not give are taken from `amazon-bedrock-invocationMetrics`. Every vendor has bodies of its own here: one
/// that is not Anthropic's is FailureKind::denied, with a line that says which provider reads it. One per worker.
class BedrockInvokeReader : public AnthropicReader {
  public:
    /// `key` is made `***` in error texts; `model` is named in that line.
    BedrockInvokeReader(std::string_view content_type, base::Secret key, std::string model);

  private:
    models::Attempt<void> read_frame(const aws::EventStreamMessage& message, chat::AnswerEvents& into) override;
    models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) override;
    models::Attempt<void> foreign() const;

    std::string model_;
};

}  // namespace tertulia::providers
