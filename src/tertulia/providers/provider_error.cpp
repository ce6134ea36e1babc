#include "tertulia/providers/provider_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tertulia/base/utf8.h"
#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error_json.h"
#include "tertulia/providers/retry_after.h"

namespace tertulia::providers {
namespace {

using base::Errc;
using models::Failure;
using models::FailureKind;

constexpr std::size_t max_quote = 300;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

namespace {

std::string in_lower_case(std::string_view text) {
    std::string lowered(text);
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
    return lowered;
}

// The number that `text` begins with, but for a few words; it may have commas.
std::optional<std::int64_t> number_near(std::string_view text) {
    constexpr std::size_t near = 20;
    constexpr std::int64_t least = 256, most = 1'000'000'000;
    const std::size_t at = text.find_first_of("0123456789");
    if (at > near) return std::nullopt;
    std::int64_t number = 0;
    for (const char c : text.substr(at)) {
        if (c == ',') continue;
        if (c < '0' || c > '9' || number > most) break;
        number = number * 10 + (c - '0');
    }
    return number >= least && number <= most ? std::optional(number) : std::nullopt;
}

// The words of OpenAI (and vLLM), xAI, Anthropic, Gemini, llama.cpp, Titan, TGI and Cohere.
std::optional<std::int64_t> told_window(std::string_view message) {
    const std::string text = in_lower_case(message);
    for (const std::string_view words :
         {"maximum context length", "maximum prompt length", "maximum model length", " > ", "maximum number of tokens",
          "context size", "max input tokens", "cannot exceed", "must be <=", "must have less than"})
        if (const std::size_t at = text.find(words); at != std::string::npos)
            if (const auto number = number_near(std::string_view(text).substr(at + words.size()))) return number;
    return std::nullopt;
}

}  // namespace

bool says_context_too_long(const ProviderError& error) {
    for (std::string_view word : {std::string_view(error.code), std::string_view(error.type)})
        if (is_one_of(word, {"context_length_exceeded", "exceed_context_size_error", "request_too_large"})) return true;
    // Not every server has a code for it: Anthropic, Groq, vLLM, xAI, Moonshot, Gemini's compatible API, Titan, TGI,
    // Cohere and Qwen say it in words only.
    const std::string text = in_lower_case(error.message);
    for (std::string_view words :
         {"prompt is too long", "input is too long", "input tokens exceeded", "context length", "maximum prompt length",
          "model token limit", "allowed token length", "exceed context limit", "available context size",
          "reduce the length of the messages", "exceeds the maximum number of tokens", "context window",
          "maximum model length", "too many input tokens", "number of tokens in the prompt", "range of input length",
          "`inputs` tokens", "`inputs` must have less than"})
        if (text.find(words) != std::string::npos) return true;
    return false;
}

namespace {

bool says_quota(const ProviderError& error) {
    return is_one_of(error.code, {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}) ||
           is_one_of(error.type, {"insufficient_quota", "billing_error", "billing_not_active"}) ||
           // Anthropic says it with 400 and an invalid_request_error.
           error.message.find("credit balance is too low") != std::string::npos ||
           error.message.find("reached your specified API usage limits") != std::string::npos;
}

}  // namespace

FailureKind kind_of_status(int status) {
    if (status == 401 || status == 403 || status == 404) return FailureKind::denied;
    if (status == 408 || status == 409 || status == 429 || status == 500 || (status >= 502 && status <= 504) ||
        (status >= 520 && status <= 524) || status == 529)
        return FailureKind::overloaded;
    return status >= 500 ? FailureKind::failed : FailureKind::rejected;
}

namespace {

// Of an error that came inside an answer.
FailureKind kind_of(const ProviderError& error) {
    if (error.status != 0) return kind_of_status(error.status);
    if (is_one_of(error.type, {"authentication_error", "permission_error", "not_found_error"}))
        return FailureKind::denied;
    // Of the Responses API those of a `response.failed` that the same request brings about again.
    const bool is_refused = error.type == "invalid_request_error" ||
                            is_one_of(error.code, {"content_filter", "content_policy_violation", "invalid_prompt",
                                                   "bio_policy", "data_residency_mismatch", "empty_image_file",
                                                   "failed_to_download_image", "unsupported_image_media_type"}) ||
                            error.code.starts_with("invalid_image") || error.code.starts_with("invalid_base64_image") ||
                            error.code.starts_with("image_");
    return is_refused ? FailureKind::rejected : FailureKind::overloaded;
}

std::string_view hint(int status) {
    switch (status) {
        case 401:
        case 403:
            return " Check this provider's API key.";
        case 404:
            return " Check the model's name and the provider's base URL.";
        default:
            return "";
    }
}

std::string describe(std::string_view what, std::string_view where, const ProviderError& error, const base::Secret& key,
                     std::string_view hint) {
    const std::string quote = quotable(error.message, key);
    return fmt::format("{} ({}){}{}{}", what, where, quote.empty() ? "." : ": ", quote, hint);
}

}  // namespace

Failure make_failure(FailureKind kind, std::string_view where, const ProviderError& error, const base::Secret& key,
                     std::string_view hint) {
    switch (kind) {
        case FailureKind::context_too_long:
            return {kind,
                    {.code = Errc::upstream_rejected,
                     .message = describe("The conversation is too long for the model", where, error, key, hint)},
                    told_window(error.message)};
        case FailureKind::rejected:
        case FailureKind::denied:
            return {kind,
                    {.code = Errc::upstream_rejected,
                     .message = describe("The provider refused the request", where, error, key, hint)}};
        case FailureKind::quota:
            return {kind,
                    {.code = Errc::upstream_unavailable,
                     .message = describe("The account's quota at the provider is used up", where, error, key, hint)}};
        default:
            return {kind,
                    {.code = Errc::upstream_unavailable,
                     .message = describe("The provider is overloaded or has failed", where, error, key, hint)}};
    }
}

namespace {

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '*';
}

// Keys and account ids by their makers' prefixes: an error text may quote one that is not ours to know.
std::string without_keys(std::string_view text) {
    constexpr std::array<std::string_view, 9> prefixes = {"sk-",  "sk_",  "org-", "proj_", "gsk_",
                                                          "xai-", "AIza", "AKIA", "eyJ"};
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (end < text.size() && is_word(text[end])) ++end;
        const std::string_view word = text.substr(at, end - at);
        const bool is_key = word.size() >= 12 && std::any_of(prefixes.begin(), prefixes.end(),
                                                             [&](std::string_view p) { return word.starts_with(p); });
        if (is_key)
            out += "***";
        else
            out += word;
        if (end < text.size()) out += text[end++];
        at = end;
    }
    return out;
}

}  // namespace

std::string quotable(std::string_view text, const base::Secret& key) {
    // Redacted before it is cut, so that half a key cannot be left at the cut.
    std::string clean = without_keys(base::redact(base::valid_utf8(text.substr(0, 16 * max_quote)), key));
    for (char& c : clean)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    const std::string_view cut = base::cut_utf8(clean, max_quote);
    return cut.size() < clean.size() ? std::string(cut) + "..." : clean;
}

ProviderError to_provider_error(const dom::element& value) {
    ProviderError error;
    std::string_view text;
    dom::object object;
    if (value.get(text) == simdjson::SUCCESS) {
        error.message = text;
    } else if (value.get(object) == simdjson::SUCCESS) {
        error.type = text_or(object, "type");
        error.code = text_or(object, "code");
        error.message = text_or(object, "message");
        error.status = static_cast<int>(std::min<std::int64_t>(count_in(object, "code").value_or(0), 999));
        if (error.status < 400) error.status = 0;
    }
    return error;
}

ProviderError parse_provider_error(std::string_view content_type, std::string_view body) {
    dom::parser parser;
    dom::element value;
    if (parser.parse(body.data(), body.size(), true).get(value) != simdjson::SUCCESS) {
        // A gateway's HTML page says nothing to anyone; a line of plain text may.
        return http::is_media_type(content_type, "text/plain") ? ProviderError{.message = std::string(body)}
                                                               : ProviderError{};
    }
    // Gemini's compatible API puts its error into an array.
    if (dom::array array; value.get(array) == simdjson::SUCCESS && array.size() > 0) value = array.at(0);
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return to_provider_error(value);
    if (const auto error = something_in(object, "error")) return to_provider_error(*error);
    return to_provider_error(value);
}

Failure read_error(int status, const http::Headers& headers, std::string_view body, const base::Secret& key,
                   std::int64_t wall_us) {
    const ProviderError error = parse_provider_error(headers.get("content-type"), body);
    const std::string where = fmt::format("HTTP {}", status);
    FailureKind kind = kind_of_status(status);
    if (status < 400) {
        return broken(fmt::format("The provider answered with an unexpected status ({}). Check its base URL.", where))
            .error();
    } else if (status == 402 || (status < 500 && says_quota(error))) {
        kind = FailureKind::quota;
    } else if (status < 500 && kind != FailureKind::overloaded && (status == 413 || says_context_too_long(error))) {
        kind = FailureKind::context_too_long;
    }
    Failure failure = make_failure(kind, where, error, key, hint(status));
    if (status != 429 && kind == FailureKind::quota) failure.error.code = Errc::upstream_rejected;
    if (kind == FailureKind::overloaded || kind == FailureKind::quota)
        failure.error.retry_after = retry_after(headers, error.message, wall_us);
    return failure;
}

Failure in_band_failure(const ProviderError& error, const base::Secret& key) {
    FailureKind kind = kind_of(error);
    if (says_context_too_long(error))
        kind = FailureKind::context_too_long;
    else if (says_quota(error))
        kind = FailureKind::quota;
    Failure failure = make_failure(kind, "in its answer", error, key, "");
    if (kind == FailureKind::overloaded || kind == FailureKind::quota)
        failure.error.retry_after = retry_after({}, error.message, 0);
    return failure;
}

std::unexpected<Failure> broken(std::string message) {
    return std::unexpected(
        Failure{FailureKind::broken, {.code = Errc::upstream_unavailable, .message = std::move(message)}});
}

}  // namespace tertulia::providers
