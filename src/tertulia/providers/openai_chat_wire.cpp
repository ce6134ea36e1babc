#include "tertulia/providers/openai_chat_wire.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error_json.h"

namespace tertulia::providers {
namespace {

using chat::AnswerEvents;
using chat::StopReason;
using models::Attempt;
using Kind = AnswerEvents::Kind;

// The dialect has no numbered blocks: these are the places of its members in an answer.
constexpr std::uint32_t thinking_block = 0;
constexpr std::uint32_t text_block = 1;
constexpr std::uint32_t refusal_block = 2;
constexpr std::uint32_t first_call_block = 3;

// Nothing where the server says that it broke the answer off: Mistral and OpenRouter, DeepSeek, vLLM and SGLang.
std::optional<StopReason> to_stop_reason(std::string_view reason) {
    if (reason == "error" || reason == "insufficient_system_resource" || reason == "abort") return std::nullopt;
    if (reason == "length" || reason == "max_tokens") return StopReason::max_tokens;
    if (reason == "model_length") return StopReason::context_exceeded;  // Mistral
    if (reason == "tool_calls" || reason == "function_call") return StopReason::tool_use;
    if (reason == "content_filter") return StopReason::refusal;
    return StopReason::end_turn;  // "stop", and reasons not known: the answer is whole
}

std::unexpected<models::Failure> broken_off(std::string_view reason) {
    return broken(fmt::format("The provider broke its answer off (finish reason \"{}\").", reason.substr(0, 40)));
}

// OpenAI's counts include what Usage keeps apart: prompt_tokens the cached ones, completion_tokens the reasoning.
chat::Usage to_usage(const dom::object& usage) {
    std::int64_t read = 0, write = 0, reasoning = 0;
    if (const auto details = object_in(usage, "prompt_tokens_details")) {
        read = count_in(*details, "cached_tokens").value_or(0);
        write = count_in(*details, "cache_write_tokens").value_or(0);
    } else {
        read = count_in(usage, "prompt_cache_hit_tokens").value_or(0);  // DeepSeek
    }
    if (const auto details = object_in(usage, "completion_tokens_details"))
        reasoning = count_in(*details, "reasoning_tokens").value_or(0);
    const std::int64_t prompt = count_in(usage, "prompt_tokens").value_or(0);
    std::int64_t completion = count_in(usage, "completion_tokens").value_or(0);
    // xAI counts the reasoning beside the completion: its total says so.
    if (reasoning > 0 && count_in(usage, "total_tokens") == prompt + completion + reasoning) completion += reasoning;
    return {.input = std::max<std::int64_t>(prompt - read - write, 0),
            .cache_read = read,
            .cache_write = write,
            .output = std::max<std::int64_t>(completion - reasoning, 0),
            .reasoning = reasoning};
}

void read_usage(const dom::object& holder, AnswerEvents& into) {
    if (const auto usage = object_in(holder, "usage"); usage && usage->size() > 0) into.usage = to_usage(*usage);
}

// `content` is a text, or (some compatible servers) a list of parts.
void add_content(const dom::object& message, AnswerEvents& into) {
    if (const auto text = text_in(message, "content"); text && !text->empty()) into.add(Kind::text, text_block, *text);
    const auto parts = array_in(message, "content");
    if (!parts) return;
    for (const dom::element element : *parts) {
        dom::object part;
        if (element.get(part) == simdjson::SUCCESS && text_or(part, "type") == "text")
            if (const std::string_view text = text_or(part, "text"); !text.empty())
                into.add(Kind::text, text_block, text);
    }
}

}  // namespace

Attempt<void> OpenAiChatReader::read_event(const dom::element& event, AnswerEvents& into) {
    const dom::object chunk = event;
    if (const auto error = something_in(chunk, "error"))
        return std::unexpected(in_band_failure(to_provider_error(*error), key()));
    if (const auto choices = array_in(chunk, "choices")) {
        for (const dom::element element : *choices) {
            dom::object choice;
            if (element.get(choice) != simdjson::SUCCESS) return broken("The provider sent a malformed event.");
            if (count_in(choice, "index").value_or(0) != 0) continue;
            dom::element delta;
            const std::size_t before = into.events().size();
            if (choice.at_key("delta").get(delta) == simdjson::SUCCESS && delta.is_object()) read_message(delta, into);
            goes_on_ = goes_on_ || (stop_reason_ && into.events().size() > before);
            if (const auto reason = text_in(choice, "finish_reason"); reason && !reason->empty()) {
                stop_reason_ = to_stop_reason(*reason);
                if (!stop_reason_) return broken_off(*reason);
            }
        }
    }
    read_usage(chunk, into);
    if (const auto groq = object_in(chunk, "x_groq")) read_usage(*groq, into);
    return {};
}

void OpenAiChatReader::read_message(const dom::element& element, AnswerEvents& into) {
    const dom::object message = element;
    for (std::string_view name : {"reasoning_content", "reasoning"}) {
        const std::string_view text = text_or(message, name);
        if (text.empty()) continue;
        into.add(Kind::thinking, thinking_block, text);
        break;  // servers that send both mean the same text
    }
    add_content(message, into);
    if (const std::string_view text = text_or(message, "refusal"); !text.empty())
        into.add(Kind::refusal, refusal_block, text);
    if (const auto calls = array_in(message, "tool_calls")) {
        std::int64_t place = 0;
        for (const dom::element item : *calls) {
            dom::object call;
            dom::element function;
            if (item.get(call) == simdjson::SUCCESS && call.at_key("function").get(function) == simdjson::SUCCESS &&
                function.is_object())
                read_call(count_in(call, "index").value_or(place), text_or(call, "id"), function, into);
            ++place;
        }
    }
    // The form before tool_calls. Some servers send it in every answer, with nothing in it.
    if (const auto function = object_in(message, "function_call");
        function && !(text_or(*function, "name").empty() && text_or(*function, "arguments").empty()))
        read_call(0, "", message["function_call"], into);
}

void OpenAiChatReader::read_call(std::int64_t index, std::string_view id, const dom::element& element,
                                 AnswerEvents& into) {
    const dom::object function = element;
    // The newest call of this index; another id under the same index (seen at compatible servers) is another call.
    auto call = std::find_if(calls_.rbegin(), calls_.rend(), [&](const Call& c) { return c.index == index; });
    if (call == calls_.rend() || (!id.empty() && id != call->id)) {
        calls_.push_back({index, std::string(id), first_call_block + static_cast<std::uint32_t>(calls_.size())});
        call = calls_.rbegin();
        into.add(Kind::tool_call, call->block, text_or(function, "name"), id);
    }
    if (const auto arguments = text_in(function, "arguments")) {
        if (!arguments->empty()) into.add(Kind::tool_arguments, call->block, *arguments);
    } else if (dom::element object;
               function.at_key("arguments").get(object) == simdjson::SUCCESS && object.is_object()) {
        into.add(Kind::tool_arguments, call->block, simdjson::minify(object));
    }
}

Attempt<void> OpenAiChatReader::read_done(AnswerEvents& into) {
    if (!stop_reason_) return broken("The provider ended its answer without a finish reason.");
    finish(*stop_reason_, into);
    return {};
}

Attempt<void> OpenAiChatReader::read_end(AnswerEvents& into) {
    if (!stop_reason_) return broken("The provider's answer was cut off before its end.");
    finish(*stop_reason_, into);
    return {};
}

Attempt<void> OpenAiChatReader::read_whole(const dom::element& element, AnswerEvents& into) {
    const dom::object body = element;
    if (const auto error = something_in(body, "error"))
        return std::unexpected(in_band_failure(to_provider_error(*error), key()));
    const auto choices = array_in(body, "choices");
    std::optional<dom::object> lowest;
    std::int64_t lowest_index = 0;
    if (choices) {
        for (const dom::element item : *choices) {
            dom::object choice;
            if (item.get(choice) != simdjson::SUCCESS) continue;
            const std::int64_t index = count_in(choice, "index").value_or(0);
            if (lowest && index >= lowest_index) continue;
            lowest = choice;
            lowest_index = index;
        }
    }
    const auto reason = lowest ? text_in(*lowest, "finish_reason") : std::nullopt;
    if (!reason) return broken("The provider's answer has no choice or no finish reason.");
    const auto stop_reason = to_stop_reason(*reason);
    if (!stop_reason) return broken_off(*reason);
    dom::element message;
    if (lowest->at_key("message").get(message) == simdjson::SUCCESS && message.is_object()) read_message(message, into);
    read_usage(body, into);
    finish(*stop_reason, into);
    return {};
}

}  // namespace tertulia::providers
