#include "tertulia/providers/bedrock_converse_wire.h"

#include <algorithm>

#include "tertulia/base/base64.h"
#include "tertulia/base/json.h"
#include "tertulia/providers/bedrock_error.h"
#include "tertulia/providers/body_writing.h"
#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {
namespace {

using chat::AnswerEvents;
using chat::StopReason;
using models::Attempt;
using Kind = AnswerEvents::Kind;

std::optional<StopReason> to_stop_reason(std::string_view reason) {
    if (reason == "max_tokens") return StopReason::max_tokens;
    if (reason == "stop_sequence") return StopReason::stop_sequence;
    if (reason == "tool_use") return StopReason::tool_use;
    if (reason == "guardrail_intervened" || reason == "content_filtered") return StopReason::refusal;
    if (reason == "model_context_window_exceeded") return StopReason::context_exceeded;
    if (reason == "malformed_model_output" || reason == "malformed_tool_use") return std::nullopt;
    return StopReason::end_turn;  // and reasons not known yet: the answer is whole
}

std::uint32_t index_of(const dom::object& event) {
    return static_cast<std::uint32_t>(
        std::min<std::int64_t>(count_in(event, "contentBlockIndex").value_or(0), 1'000'000));
}

void read_usage(const dom::object& holder, AnswerEvents& into) {
    const auto usage = object_in(holder, "usage");
    if (!usage) return;
    const auto input = count_in(*usage, "inputTokens"), output = count_in(*usage, "outputTokens");
    if (!input && !output) return;
    // Also spelt with "Count" in AWS's own documentation.
    const auto cached = [&usage](std::string_view name) {
        return count_in(*usage, std::string(name) + "s")
            .value_or(count_in(*usage, std::string(name) + "Count").value_or(0));
    };
    const std::int64_t written = cached("cacheWriteInputToken");
    std::int64_t written_long = 0;
    if (const auto details = array_in(*usage, "cacheDetails")) {
        for (const dom::element detail : *details) {
            dom::object object;
            if (detail.get(object) == simdjson::SUCCESS && text_or(object, "ttl") == "1h")
                written_long += count_in(object, "inputTokens").value_or(0);
        }
    }
    written_long = std::min(written_long, written);
    into.usage = chat::Usage{.input = input.value_or(0),
                             .cache_read = cached("cacheReadInputToken"),
                             .cache_write = written - written_long,
                             .cache_write_long = written_long,
                             .output = output.value_or(0)};
}

void add_text(Kind kind, std::uint32_t index, std::string_view text, AnswerEvents& into) {
    if (!text.empty()) into.add(kind, index, text);
}

bool is_server_call(const dom::object& tool_use) {
    return text_or(tool_use, "type") == "server_tool_use";
}

// An object's JSON without its end, to put another member behind its own.
std::string open_json(std::string_view name, const dom::element& object, std::string_view more) {
    std::string out = "{";
    base::append_json_name(out, name);
    std::string members = simdjson::minify(object);
    members.pop_back();
    out += members;
    if (members != "{") out += ',';
    return out += more;
}

// Text whose sources are told beside it.
void read_cited(std::uint32_t index, const dom::object& citations, AnswerEvents& into) {
    const auto content = array_in(citations, "content");
    if (!content) return;
    for (const dom::element part : *content) {
        dom::object object;
        if (part.get(object) == simdjson::SUCCESS) add_text(Kind::text, index, text_or(object, "text"), into);
    }
}

void read_whole_block(std::uint32_t index, const dom::element& element, AnswerEvents& into) {
    const dom::object block = element;
    if (const auto text = text_in(block, "text")) return add_text(Kind::text, index, *text, into);
    if (const auto cited = object_in(block, "citationsContent")) return read_cited(index, *cited, into);
    if (const auto reasoning = object_in(block, "reasoningContent")) {
        if (const auto text = object_in(*reasoning, "reasoningText")) {
            add_text(Kind::thinking, index, text_or(*text, "text"), into);
            return add_text(Kind::signature, index, text_or(*text, "signature"), into);
        }
    }
    if (const auto call = object_in(block, "toolUse"); call && !is_server_call(*call)) {
        into.add(Kind::tool_call, index, text_or(*call, "name"), text_or(*call, "toolUseId"));
        if (const auto input = object_in(*call, "input"))
            into.add(Kind::tool_arguments, index, std::string(simdjson::minify(*input)));
        return;
    }
    into.add(Kind::native, index, std::string(simdjson::minify(element)));
}

}  // namespace

Attempt<void> BedrockConverseReader::read_frame(const aws::EventStreamMessage& message, AnswerEvents& into) {
    if (is_bedrock_exception(message)) return std::unexpected(bedrock_exception(message, key()));
    dom::element event;
    if (Attempt<void> parsed = parse_object(message.payload, event); !parsed) return parsed;
    const dom::object object = event;
    const std::string_view type = message.event_type;
    if (type == "contentBlockDelta") return read_delta(event, into);
    if (type == "contentBlockStart") return start_block(event, into);
    if (type == "contentBlockStop") {
        stop_block(index_of(object), into);
    } else if (type == "messageStop") {
        while (!open_.empty()) stop_block(open_.front().index, into);
        if (Attempt<void> stopped = stop(text_or(object, "stopReason")); !stopped) return stopped;
        if (has_metadata_) finish(*stop_reason_, into);
    } else if (type == "metadata") {
        read_usage(object, into);
        has_metadata_ = true;
        if (stop_reason_) finish(*stop_reason_, into);
    }
    return {};  // messageStart, and what is not known yet
}

Attempt<void> BedrockConverseReader::stop(std::string_view reason) {
    stop_reason_ = to_stop_reason(reason);
    if (!stop_reason_) return broken("The model's answer was malformed, says the provider.");
    return {};
}

Attempt<void> BedrockConverseReader::read_end(AnswerEvents& into) {
    if (!stop_reason_ || !is_whole()) return broken("The provider's answer was cut off before its end.");
    finish(*stop_reason_, into);
    return {};
}

Attempt<void> BedrockConverseReader::start_block(const dom::element& event, AnswerEvents& into) {
    const dom::object object = event;
    const std::uint32_t index = index_of(object);
    stop_block(index, into);
    const auto start = object_in(object, "start");
    dom::element part;
    if (start && start->at_key("toolUse").get(part) == simdjson::SUCCESS && part.is_object()) {
        const dom::object call = part;
        OpenBlock block{.index = index};
        if (is_server_call(call)) {
            block.kind = OpenBlock::Kind::server_call;
            block.head = open_json("toolUse", part, R"("input":)");
        } else {
            into.add(Kind::tool_call, index, text_or(call, "name"), text_or(call, "toolUseId"));
        }
        open_.push_back(std::move(block));
    } else if (start && start->at_key("toolResult").get(part) == simdjson::SUCCESS && part.is_object()) {
        open_.push_back({.index = index,
                         .kind = OpenBlock::Kind::server_result,
                         .head = open_json("toolResult", part, R"("content":[)"),
                         .content = {}});
    }
    return {};
}

Attempt<void> BedrockConverseReader::read_delta(const dom::element& event, AnswerEvents& into) {
    const dom::object object = event;
    const std::uint32_t index = index_of(object);
    const auto delta = object_in(object, "delta");
    if (!delta) return broken("The provider sent a delta without content.");
    dom::element part;
    if (const auto text = text_in(*delta, "text")) {
        add_text(Kind::text, index, *text, into);
    } else if (const auto reasoning = object_in(*delta, "reasoningContent")) {
        add_text(Kind::thinking, index, text_or(*reasoning, "text"), into);
        add_text(Kind::signature, index, text_or(*reasoning, "signature"), into);
        if (const auto redacted = text_in(*reasoning, "redactedContent")) return keep_redacted(index, *redacted);
    } else if (const auto call = object_in(*delta, "toolUse")) {
        OpenBlock* const block = find_open(index);
        const std::string_view input = text_or(*call, "input");
        if (!block || input.empty()) return {};
        if (block->kind == OpenBlock::Kind::tool_call)
            into.add(Kind::tool_arguments, index, input);
        else
            return keep(*block, input);
    } else if (delta->at_key("toolResult").get(part) == simdjson::SUCCESS) {
        return keep(index, part);
    }
    return {};  // citations, and what is not known yet
}

BedrockConverseReader::OpenBlock* BedrockConverseReader::find_open(std::uint32_t index) {
    const auto at = std::ranges::find(open_, index, &OpenBlock::index);
    return at == open_.end() ? nullptr : &*at;
}

Attempt<void> BedrockConverseReader::keep(OpenBlock& block, std::string_view more) {
    kept_bytes_ += more.size();
    if (kept_bytes_ > max_body) return broken("The provider's answer is larger than 16 MB.");
    block.content += more;
    return {};
}

Attempt<void> BedrockConverseReader::keep(std::uint32_t index, const dom::element& tool_result) {
    OpenBlock* const block = find_open(index);
    dom::array items;
    if (!block || block->kind != OpenBlock::Kind::server_result || tool_result.get(items) != simdjson::SUCCESS)
        return {};
    for (const dom::element item : items) {
        const std::string json = (block->content.empty() ? "" : ",") + std::string(simdjson::minify(item));
        if (Attempt<void> kept = keep(*block, json); !kept) return kept;
    }
    return {};
}

Attempt<void> BedrockConverseReader::keep_redacted(std::uint32_t index, std::string_view base64) {
    const std::optional<std::string> bytes = base::decode_base64(base64);
    if (!bytes) return broken("The provider sent redacted reasoning that is not base64.");
    OpenBlock* block = find_open(index);
    if (!block) {
        open_.push_back({.index = index,
                         .kind = OpenBlock::Kind::redacted,
                         .head = R"({"reasoningContent":{"redactedContent":)",
                         .content = {}});
        block = &open_.back();
    }
    return block->kind == OpenBlock::Kind::redacted ? keep(*block, *bytes) : Attempt<void>{};
}

void BedrockConverseReader::stop_block(std::uint32_t index, AnswerEvents& into) {
    const auto at = std::ranges::find(open_, index, &OpenBlock::index);
    if (at == open_.end()) return;
    const OpenBlock block = std::move(*at);
    open_.erase(at);
    kept_bytes_ -= block.content.size();
    std::string json = block.head;
    switch (block.kind) {
        case OpenBlock::Kind::tool_call:
            return;
        case OpenBlock::Kind::server_call:
            json += arguments_or_empty(block.content);
            break;
        case OpenBlock::Kind::server_result:
            json += block.content + "]";
            break;
        case OpenBlock::Kind::redacted:
            base::append_json_string(json, base::encode_base64(block.content));
            break;
    }
    into.add(Kind::native, index, json + "}}");
}

Attempt<void> BedrockConverseReader::read_whole(const dom::element& element, AnswerEvents& into) {
    const dom::object body = element;
    const auto output = object_in(body, "output");
    const auto message = output ? object_in(*output, "message") : std::nullopt;
    const auto content = message ? array_in(*message, "content") : std::nullopt;
    const auto reason = text_in(body, "stopReason");
    if (!content || !reason) return broken("The provider's answer has no content or no stop reason.");
    std::uint32_t index = 0;
    for (const dom::element block : *content) {
        if (block.is_object()) read_whole_block(index, block, into);
        ++index;
    }
    read_usage(body, into);
    if (Attempt<void> stopped = stop(*reason); !stopped) return stopped;
    finish(*stop_reason_, into);
    return {};
}

}  // namespace tertulia::providers
