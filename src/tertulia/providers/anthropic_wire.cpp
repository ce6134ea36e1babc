#include "tertulia/providers/anthropic_wire.h"

#include <algorithm>

#include "tertulia/base/json.h"
#include "tertulia/providers/anthropic_body.h"
#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error_json.h"

namespace tertulia::providers {
namespace {

using chat::AnswerEvents;
using chat::StopReason;
using models::Attempt;
using Kind = AnswerEvents::Kind;

StopReason to_stop_reason(std::string_view reason) {
    if (reason == "max_tokens") return StopReason::max_tokens;
    if (reason == "stop_sequence") return StopReason::stop_sequence;
    if (reason == "tool_use") return StopReason::tool_use;
    if (reason == "pause_turn") return StopReason::pause_turn;
    if (reason == "refusal") return StopReason::refusal;
    if (reason == "model_context_window_exceeded") return StopReason::context_exceeded;
    return StopReason::end_turn;  // and reasons not known yet: the answer is whole
}

std::uint32_t index_of(const dom::object& event) {
    return static_cast<std::uint32_t>(std::min<std::int64_t>(count_in(event, "index").value_or(0), 1'000'000));
}

}  // namespace

bool anthropic_takes_temperature(std::string_view api_version) {
    return api_version < anthropic_version_2026;
}

std::string build_anthropic_body(const models::ModelRequest& request, std::string_view api_version) {
    std::string out = R"({"model":)";
    base::append_json_string(out, request.model);
    out += ',';
    append_anthropic_members(out, request,
                             {.maker = anthropic_kind, .takes_temperature = anthropic_takes_temperature(api_version)});
    if (request.stream) out += R"(,"stream":true)";
    return out += '}';
}

http::Headers anthropic_headers(const base::Secret& key, std::string_view api_version) {
    http::Headers headers;
    headers.add("content-type", "application/json");
    headers.add("accept", "application/json, text/event-stream");
    headers.add("accept-encoding", "gzip");
    headers.add("anthropic-version", std::string(api_version));
    if (!key.empty()) {
        if (api_version < anthropic_version_2026)
            headers.add("x-api-key", key.reveal());
        else
            headers.add("authorization", "Bearer " + key.reveal());
    }
    return headers;
}

Attempt<void> AnthropicReader::read_event(const dom::element& event, AnswerEvents& into) {
    const dom::object object = event;
    const std::string_view type = text_or(object, "type");
    if (type == "content_block_delta") {
        dom::element delta;
        if (object.at_key("delta").get(delta) != simdjson::SUCCESS || !delta.is_object())
            return broken("The provider sent a delta without content.");
        return read_delta(index_of(object), delta, into);
    }
    if (type == "content_block_start") {
        dom::element block;
        if (object.at_key("content_block").get(block) != simdjson::SUCCESS || !block.is_object())
            return broken("The provider began a block without content.");
        start_block(index_of(object), block, into);
        return {};
    }
    if (type == "content_block_stop") {
        stop_block(index_of(object), into);
    } else if (type == "message_start") {
        return start_message(event, into);
    } else if (type == "message_delta") {
        if (const auto delta = object_in(object, "delta"))
            if (const auto reason = text_in(*delta, "stop_reason")) stop_reason_ = to_stop_reason(*reason);
        read_usage(event, into);
    } else if (type == "message_stop") {
        if (!stop_reason_) return broken("The provider ended its answer without a stop reason.");
        finish_blocks(into);
    } else if (type == "error" || type.empty()) {
        if (const auto error = something_in(object, "error"))
            return std::unexpected(in_band_failure(to_provider_error(*error), key()));
        if (type == "error") return std::unexpected(in_band_failure({}, key()));
    }
    return {};  // pings, and what is not known yet
}

Attempt<void> AnthropicReader::start_message(const dom::element& event, AnswerEvents& into) {
    if (std::exchange(started_, true)) {
        // A gateway tried again behind our back. Text that was given cannot be taken back.
        if (gave_text_) return broken("The provider began its answer a second time.");
        into.add(Kind::restart, 0, "");
        open_.clear();
        kept_bytes_ = 0;
        stop_reason_.reset();
    }
    dom::element message;
    if (event["message"].get(message) == simdjson::SUCCESS && message.is_object()) read_usage(message, into);
    return {};
}

void AnthropicReader::add_text(Kind kind, std::uint32_t index, std::string_view text, AnswerEvents& into) {
    if (text.empty()) return;
    if (kind == Kind::text) gave_text_ = true;
    into.add(kind, index, text);
}

Attempt<void> AnthropicReader::read_delta(std::uint32_t index, const dom::element& element, AnswerEvents& into) {
    const dom::object delta = element;
    const std::string_view type = text_or(delta, "type");
    if (type == "text_delta") {
        add_text(Kind::text, index, text_or(delta, "text"), into);
    } else if (type == "thinking_delta") {
        add_text(Kind::thinking, index, text_or(delta, "thinking"), into);
    } else if (type == "signature_delta") {
        add_text(Kind::signature, index, text_or(delta, "signature"), into);
    } else if (type == "input_json_delta") {
        const std::string_view json = text_or(delta, "partial_json");
        const auto block = std::find_if(open_.begin(), open_.end(), [&](const auto& b) { return b.index == index; });
        if (block == open_.end() || json.empty()) return {};
        if (block->is_tool_call) {
            block->input.clear();  // what the start gave is only the form `{}`
            into.add(Kind::tool_arguments, index, json);
        } else {
            kept_bytes_ += json.size();
            if (kept_bytes_ > max_body) return broken("The provider's answer is larger than 16 MB.");
            block->input_deltas += json;
        }
    }
    return {};  // citations, and what is not known yet
}

void AnthropicReader::start_block(std::uint32_t index, const dom::element& element, AnswerEvents& into) {
    const dom::object block = element;
    const std::string_view type = text_or(block, "type");
    stop_block(index, into);
    if (type == "text") return add_text(Kind::text, index, text_or(block, "text"), into);
    if (type == "thinking") {
        add_text(Kind::thinking, index, text_or(block, "thinking"), into);
        return add_text(Kind::signature, index, text_or(block, "signature"), into);
    }
    OpenBlock open{.index = index, .is_tool_call = type == "tool_use"};
    if (open.is_tool_call) {
        into.add(Kind::tool_call, index, text_or(block, "name"), text_or(block, "id"));
        dom::element input;
        if (block.at_key("input").get(input) == simdjson::SUCCESS && !input.is_null())
            open.input = simdjson::minify(input);
    } else {
        std::string* part = &open.before_input;
        *part += '{';
        for (const auto [name, value] : block) {
            if (*part != "{" || part == &open.after_input) *part += ',';
            base::append_json_string(*part, name);
            *part += ':';
            if (name == "input" && part == &open.before_input) {
                open.input = simdjson::minify(value);
                part = &open.after_input;
            } else {
                *part += simdjson::minify(value);
            }
        }
        *part += '}';
    }
    kept_bytes_ += open.before_input.size() + open.input.size() + open.after_input.size();
    open_.push_back(std::move(open));
}

void AnthropicReader::stop_block(std::uint32_t index, AnswerEvents& into) {
    const auto at = std::find_if(open_.begin(), open_.end(), [&](const auto& block) { return block.index == index; });
    if (at == open_.end()) return;
    const OpenBlock block = std::move(*at);
    open_.erase(at);
    emit(block, into);
}

void AnthropicReader::emit(const OpenBlock& block, AnswerEvents& into) {
    if (block.is_tool_call) {
        if (!block.input.empty()) into.add(Kind::tool_arguments, block.index, block.input);
        return;
    }
    kept_bytes_ -= std::min(kept_bytes_, block.before_input.size() + block.input.size() + block.after_input.size() +
                                             block.input_deltas.size());
    // The input as the deltas spell it, where they spell JSON.
    dom::parser parser;
    const bool use_deltas =
        !block.input.empty() && !block.input_deltas.empty() &&
        parser.parse(block.input_deltas.data(), block.input_deltas.size(), true).error() == simdjson::SUCCESS;
    into.add(Kind::native, block.index,
             block.before_input + (use_deltas ? block.input_deltas : block.input) + block.after_input);
}

void AnthropicReader::read_usage(const dom::element& holder, AnswerEvents& into) {
    const auto usage = object_in(dom::object(holder), "usage");
    if (!usage) return;
    const auto take = [&](const dom::object& from, std::string_view name, std::optional<std::int64_t>& count) {
        if (const auto given = count_in(from, name)) count = given;
    };
    take(*usage, "input_tokens", counts_.input);
    take(*usage, "cache_read_input_tokens", counts_.cache_read);
    take(*usage, "cache_creation_input_tokens", counts_.cache_write);
    if (const auto lifetimes = object_in(*usage, "cache_creation"))
        take(*lifetimes, "ephemeral_1h_input_tokens", counts_.cache_write_long);
    take(*usage, "output_tokens", counts_.output);
    if (const auto details = object_in(*usage, "output_tokens_details"))
        take(*details, "thinking_tokens", counts_.thinking);
    tell_usage(into);
}

void AnthropicReader::offer_counts(const Counts& counts, AnswerEvents& into) {
    for (const auto count : {&Counts::input, &Counts::cache_read, &Counts::cache_write, &Counts::output})
        if (!(counts_.*count)) counts_.*count = counts.*count;
    tell_usage(into);
}

void AnthropicReader::tell_usage(AnswerEvents& into) const {
    if (!counts_.input && !counts_.output) return;
    const std::int64_t output = counts_.output.value_or(0);
    const std::int64_t thinking = std::min(counts_.thinking.value_or(0), output);
    const std::int64_t written = counts_.cache_write.value_or(0);
    const std::int64_t written_long = std::min(counts_.cache_write_long.value_or(0), written);
    into.usage = chat::Usage{.input = counts_.input.value_or(0),
                             .cache_read = counts_.cache_read.value_or(0),
                             .cache_write = written - written_long,
                             .cache_write_long = written_long,
                             .output = output - thinking,
                             .reasoning = thinking};
}

void AnthropicReader::finish_blocks(AnswerEvents& into) {
    while (!open_.empty()) stop_block(open_.front().index, into);
    finish(*stop_reason_, into);
}

Attempt<void> AnthropicReader::read_end(AnswerEvents& into) {
    if (!stop_reason_ || !is_whole()) return broken("The provider's answer was cut off before its end.");
    finish_blocks(into);
    return {};
}

Attempt<void> AnthropicReader::read_whole(const dom::element& element, AnswerEvents& into) {
    const dom::object body = element;
    if (const auto error = something_in(body, "error"))
        return std::unexpected(in_band_failure(to_provider_error(*error), key()));
    const auto content = array_in(body, "content");
    const auto reason = text_in(body, "stop_reason");
    if (!content || !reason) return broken("The provider's answer has no content or no stop reason.");
    std::uint32_t index = 0;
    for (const dom::element block : *content) {
        if (block.is_object()) {
            start_block(index, block, into);
            stop_block(index, into);
        }
        ++index;
    }
    read_usage(element, into);
    finish(to_stop_reason(*reason), into);
    return {};
}

}  // namespace tertulia::providers
