#include "tertulia/providers/bedrock_invoke_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "tertulia/base/base64.h"
#include "tertulia/providers/anthropic_body.h"
#include "tertulia/providers/bedrock_error.h"
#include "tertulia/providers/bedrock_model.h"
#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {

namespace {

// The base64 of a chunk as Bedrock writes it, `{"bytes":"...","p":"..."}`, without a parser's help: it is a third of
// the work. Nothing where it is written otherwise.
std::optional<std::string_view> bytes_of(std::string_view payload) {
    constexpr std::string_view begin = R"({"bytes":")", padding = R"(","p":")", end = R"("})";
    if (!payload.starts_with(begin) || !payload.ends_with(end)) return std::nullopt;
    payload.remove_prefix(begin.size());
    payload.remove_suffix(end.size());
    const std::size_t quote = payload.find('"');
    const std::string_view rest = quote == std::string_view::npos ? "" : payload.substr(quote);
    const std::string_view letters = rest.starts_with(padding) ? rest.substr(padding.size()) : rest;
    // In the padding are letters and digits; whatever else would have to be looked at.
    const bool is_plain = std::ranges::all_of(
        letters, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
    return is_plain ? std::optional(payload.substr(0, quote)) : std::nullopt;
}

}  // namespace

using models::Attempt;

std::string bedrock_invoke_path(const models::ModelRequest& request) {
    return bedrock_path(request.model, request.stream ? "invoke-with-response-stream" : "invoke");
}

std::string build_bedrock_invoke_body(const models::ModelRequest& request) {
    std::string out = R"({"anthropic_version":"bedrock-2023-05-31",)";
    // An ARN that does not name its model may be any: the newer ones take breakpoints.
    const bool has_marks =
        bedrock_family(request.model) == BedrockFamily::other || bedrock_takes_cache_points(request.model);
    append_anthropic_members(
        out, request,
        {.maker = bedrock_invoke_kind, .takes_urls = false, .takes_no_choice = false, .takes_cache_marks = has_marks});
    return out += '}';
}

BedrockInvokeReader::BedrockInvokeReader(std::string_view content_type, base::Secret key, std::string model)
    : AnthropicReader(content_type, std::move(key), StreamForm::aws_event_stream), model_(std::move(model)) {}

Attempt<void> BedrockInvokeReader::foreign() const {
    return std::unexpected(make_failure(
        models::FailureKind::denied, "InvokeModel",
        {.type = {},
         .code = {},
         .message = fmt::format("the model's answer is not in Anthropic's form. Use bedrock/{} instead", model_)},
        key(), "."));
}

Attempt<void> BedrockInvokeReader::read_frame(const aws::EventStreamMessage& message, chat::AnswerEvents& into) {
    if (is_bedrock_exception(message)) return std::unexpected(bedrock_exception(message, key()));
    if (message.event_type != "chunk") return {};  // not known yet
    dom::element element;
    const std::optional<std::string_view> plain = bytes_of(message.payload);
    std::optional<std::string> json = plain ? base::decode_base64(*plain) : std::nullopt;
    if (!json) {
        if (Attempt<void> parsed = parse_object(message.payload, element); !parsed) return parsed;
        const auto base64 = text_in(element, "bytes");
        json = base64 ? base::decode_base64(*base64) : std::nullopt;
        if (!json) return broken("The provider sent a malformed chunk.");
    }
    if (Attempt<void> parsed = parse_object(*json, element); !parsed) return parsed;
    const dom::object event = element;
    if (!text_in(event, "type") && !something_in(event, "error")) return foreign();
    if (const auto metrics = object_in(event, "amazon-bedrock-invocationMetrics"))
        offer_counts({.input = count_in(*metrics, "inputTokenCount"),
                      .cache_read = count_in(*metrics, "cacheReadInputTokenCount"),
                      .cache_write = count_in(*metrics, "cacheWriteInputTokenCount"),
                      .output = count_in(*metrics, "outputTokenCount")},
                     into);
    return read_event(element, into);
}

Attempt<void> BedrockInvokeReader::read_whole(const dom::element& element, chat::AnswerEvents& into) {
    const dom::object body = element;
    const bool is_anthropics = array_in(body, "content") && text_in(body, "stop_reason");
    if (!is_anthropics && !something_in(body, "error") && text_or(body, "type") != "message") return foreign();
    return AnthropicReader::read_whole(element, into);
}

}  // namespace tertulia::providers
