#include "tertulia/providers/openai_responses_wire.h"

#include <algorithm>

#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error_json.h"

namespace tertulia::providers {
namespace {

using chat::AnswerEvents;
using chat::StopReason;
using models::Attempt;

// An answer is a list of items, which have numbered parts; a block's number is made of both. Shown reasoning has two
// lists of parts, its summary and its content.
constexpr std::uint32_t parts_per_item = 128;
constexpr std::uint32_t first_content_of_reasoning = 64;

std::uint32_t part_of(std::uint32_t item, std::int64_t part, std::uint32_t first = 0) {
    return item * parts_per_item + first + static_cast<std::uint32_t>(std::min<std::int64_t>(part, 63));
}

std::uint32_t item_of(const dom::object& event) {
    return static_cast<std::uint32_t>(std::min<std::int64_t>(count_in(event, "output_index").value_or(0), 1'000'000));
}

// OpenAI's counts include what Usage keeps apart. All zero is a report too: OpenAI bills nothing for some answers that
// it cut short.
chat::Usage to_usage(const dom::object& usage) {
    std::int64_t read = 0, write = 0, reasoning = 0;
    if (const auto details = object_in(usage, "input_tokens_details")) {
        read = count_in(*details, "cached_tokens").value_or(0);
        write = count_in(*details, "cache_write_tokens").value_or(0);
    }
    if (const auto details = object_in(usage, "output_tokens_details"))
        reasoning = count_in(*details, "reasoning_tokens").value_or(0);
    const std::int64_t input = count_in(usage, "input_tokens").value_or(0);
    const std::int64_t output = count_in(usage, "output_tokens").value_or(0);
    return chat::Usage{.input = std::max<std::int64_t>(input - read - write, 0),
                       .cache_read = read,
                       .cache_write = write,
                       .output = std::max<std::int64_t>(output - reasoning, 0),
                       .reasoning = reasoning};
}

// What it is whose text comes in events and parts of this type.
std::optional<AnswerEvents::Kind> kind_of_part(std::string_view type) {
    using Kind = AnswerEvents::Kind;
    if (type == "output_text" || type == "text") return Kind::text;
    if (type == "refusal") return Kind::refusal;
    if (type == "summary_text" || type == "reasoning_text" || type == "reasoning") return Kind::thinking;
    return std::nullopt;
}

}  // namespace

bool OpenAiResponsesReader::is_given(std::uint32_t block) const {
    return std::ranges::find(given_, block) != given_.end();
}

void OpenAiResponsesReader::add(Kind kind, std::uint32_t block, std::string_view text, AnswerEvents& into) {
    if (text.empty()) return;
    if (given_.empty() || given_.back() != block)
        if (!is_given(block)) given_.push_back(block);
    has_items_ = true;
    into.add(kind, block, text);
}

// `response.output_text.delta` and its relatives.
bool OpenAiResponsesReader::read_delta(std::string_view type, const dom::element& element, AnswerEvents& into) {
    constexpr std::string_view prefix = "response.", suffix = ".delta";
    if (!type.starts_with(prefix) || !type.ends_with(suffix) || type.size() < prefix.size() + suffix.size())
        return false;
    type = type.substr(prefix.size(), type.size() - prefix.size() - suffix.size());
    const dom::object event = element;
    const std::uint32_t item = item_of(event);
    const std::string_view delta = text_or(event, "delta");
    const std::int64_t content = count_in(event, "content_index").value_or(0);
    if (type == "output_text") {
        add(Kind::text, part_of(item, content), delta, into);
    } else if (type == "refusal") {
        add(Kind::refusal, part_of(item, content), delta, into);
    } else if (type == "function_call_arguments") {
        const std::uint32_t block = part_of(item, 0);
        if (std::ranges::find(calls_, block) != calls_.end()) add(Kind::tool_arguments, block, delta, into);
    } else if (type == "reasoning_summary_text") {
        add(Kind::thinking, part_of(item, count_in(event, "summary_index").value_or(0)), delta, into);
    } else if (type == "reasoning_text" || type == "reasoning") {
        add(Kind::thinking, part_of(item, content, first_content_of_reasoning), delta, into);
    }
    return true;
}

Attempt<void> OpenAiResponsesReader::read_event(const dom::element& element, AnswerEvents& into) {
    const dom::object event = element;
    const std::string_view type = text_or(event, "type");
    if (read_delta(type, element, into)) return {};
    if (type == "response.output_item.added" || type == "response.output_item.done") {
        dom::element item;
        if (event.at_key("item").get(item) != simdjson::SUCCESS || !item.is_object())
            return broken("The provider sent an output item without content.");
        if (type.ends_with(".done"))
            read_item(item_of(event), item, into);
        else if (text_or(dom::object(item), "type") == "function_call")
            begin_call(item_of(event), item, into);
        return {};
    }
    if (type == "response.completed" || type == "response.incomplete" || type == "response.failed") {
        dom::element response;
        if (event.at_key("response").get(response) != simdjson::SUCCESS || !response.is_object())
            return broken("The provider ended its answer without it.");
        return read_response(response, type.substr(type.find('.') + 1), into);
    }
    if (type == "error" || type.empty()) {
        if (const auto error = something_in(event, "error"))
            return std::unexpected(in_band_failure(to_provider_error(*error), key()));
        if (type == "error") return std::unexpected(in_band_failure(to_provider_error(element), key()));
    }
    return {};  // what says nothing new, or is not known yet
}

void OpenAiResponsesReader::begin_call(std::uint32_t item, const dom::element& element, AnswerEvents& into) {
    const std::uint32_t block = part_of(item, 0);
    if (std::ranges::find(calls_, block) != calls_.end()) return;
    const dom::object call = element;
    calls_.push_back(block);
    has_items_ = true;
    into.add(Kind::tool_call, block, text_or(call, "name"), text_or(call, "call_id", text_or(call, "id")));
}

void OpenAiResponsesReader::read_parts(std::uint32_t item, const dom::element& element, std::string_view member,
                                       AnswerEvents& into) {
    const auto parts = array_in(dom::object(element), member);
    if (!parts) return;
    std::int64_t place = 0;
    for (const dom::element value : *parts) {
        dom::object part;
        if (value.get(part) == simdjson::SUCCESS) {
            const auto kind = kind_of_part(text_or(part, "type"));
            const bool is_shown_reasoning = kind == Kind::thinking && member == "content";
            const std::uint32_t block = part_of(item, place, is_shown_reasoning ? first_content_of_reasoning : 0);
            if (kind && !is_given(block))
                add(*kind, block, text_or(part, kind == Kind::refusal ? "refusal" : "text"), into);
        }
        ++place;
    }
}

void OpenAiResponsesReader::read_item(std::uint32_t item, const dom::element& element, AnswerEvents& into) {
    const dom::object value = element;
    const std::string_view type = text_or(value, "type");
    has_items_ = true;
    if (type == "message") {
        read_parts(item, element, "content", into);
    } else if (type == "function_call") {
        begin_call(item, element, into);
        if (!is_given(part_of(item, 0))) add(Kind::tool_arguments, part_of(item, 0), text_or(value, "arguments"), into);
    } else {
        const bool is_reasoning = type == "reasoning";
        if (is_reasoning) {
            read_parts(item, element, "summary", into);
            read_parts(item, element, "content", into);
        }
        // Without its encrypted content a reasoning item is a reference to what the server does not keep.
        if (!is_reasoning || !text_or(value, "encrypted_content").empty())
            into.add(Kind::native, part_of(item, 0), simdjson::minify(element));
    }
}

Attempt<void> OpenAiResponsesReader::read_response(const dom::element& element, std::string_view status,
                                                   AnswerEvents& into) {
    const dom::object response = element;
    if (const auto usage = object_in(response, "usage"); usage && usage->size() > 0) into.usage = to_usage(*usage);
    if (status == "failed" || something_in(response, "error")) {
        const auto error = something_in(response, "error");
        return std::unexpected(in_band_failure(error ? to_provider_error(*error) : ProviderError{}, key()));
    }
    if (const auto output = array_in(response, "output"); output && !has_items_) {
        std::uint32_t item = 0;
        for (const dom::element value : *output)
            if (value.is_object()) read_item(item++, value, into);
    }
    StopReason reason = StopReason::end_turn;
    if (status == "incomplete") {
        const auto details = object_in(response, "incomplete_details");
        const bool is_filtered = details && text_or(*details, "reason") == "content_filter";
        reason = is_filtered ? StopReason::refusal : StopReason::max_tokens;
    }
    finish(reason, into);
    return {};
}

Attempt<void> OpenAiResponsesReader::read_done(AnswerEvents&) {
    return broken("The provider ended its answer without its terminal event.");
}

Attempt<void> OpenAiResponsesReader::read_end(AnswerEvents&) {
    return broken("The provider's answer was cut off before its end.");
}

Attempt<void> OpenAiResponsesReader::read_whole(const dom::element& element, AnswerEvents& into) {
    const dom::object body = element;
    const std::string_view status = text_or(body, "status", "completed");
    const bool has_ended = status == "completed" || status == "incomplete" || status == "failed";
    if (!something_in(body, "error") && (!has_ended || !array_in(body, "output")))
        return broken("The provider's answer has no output or has not ended.");
    return read_response(element, status, into);
}

}  // namespace tertulia::providers
