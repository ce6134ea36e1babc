#include "tertulia/providers/bedrock_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tertulia/providers/provider_error_json.h"
#include "tertulia/providers/retry_after.h"

namespace tertulia::providers {
namespace {

using models::Failure;
using models::FailureKind;

// What a payload or body says. Its numbers are ignored but for the model's own status: a 400 was seen beside an
// internalServerException.
struct Said {
    std::string type;
    std::string message;
    int original_status = 0;
};

Said read_said(std::string_view json) {
    Said said;
    dom::parser parser;
    dom::object object;
    if (json.empty() || parser.parse(json.data(), json.size(), true).get(object) != simdjson::SUCCESS) return said;
    said.type = text_or(object, "__type");
    for (const std::string_view name : {"message", "Message", "originalMessage"})
        if (said.message.empty()) said.message = text_or(object, name);
    said.original_status =
        static_cast<int>(std::min<std::int64_t>(count_in(object, "originalStatusCode").value_or(0), 999));
    return said;
}

std::string_view bare(std::string_view type) {
    if (const std::size_t hash = type.rfind('#'); hash != std::string_view::npos) type.remove_prefix(hash + 1);
    return type.substr(0, type.find(':'));
}

// Types are written with a capital letter over HTTP and without in a stream.
bool is_type(std::string_view type, std::string_view name) {
    return type.size() == name.size() && !type.empty() && (type[0] | 0x20) == (name[0] | 0x20) &&
           type.substr(1) == name.substr(1);
}

struct Row {
    std::string_view type;
    FailureKind kind;
};
constexpr std::array<Row, 17> kinds = {{
    {"ThrottlingException", FailureKind::overloaded},
    {"TooManyRequestsException", FailureKind::overloaded},
    {"ModelNotReadyException", FailureKind::overloaded},
    {"ModelTimeoutException", FailureKind::overloaded},
    {"ServiceUnavailableException", FailureKind::overloaded},
    {"InternalServerException", FailureKind::overloaded},
    {"InternalFailure", FailureKind::overloaded},
    {"ModelErrorException", FailureKind::failed},  // 424: the model's, so another one may do
    {"ServiceQuotaExceededException", FailureKind::quota},
    {"ValidationException", FailureKind::rejected},
    {"AccessDeniedException", FailureKind::denied},
    {"ResourceNotFoundException", FailureKind::denied},
    {"ExpiredTokenException", FailureKind::denied},
    {"UnrecognizedClientException", FailureKind::denied},
    {"InvalidSignatureException", FailureKind::denied},
    {"IncompleteSignatureException", FailureKind::denied},
    {"MissingAuthenticationTokenException", FailureKind::denied},
}};

std::optional<FailureKind> kind_of_type(std::string_view type) {
    const auto row = std::ranges::find_if(kinds, [&](const Row& known) { return is_type(type, known.type); });
    return row == kinds.end() ? std::nullopt : std::optional(row->kind);
}

// The words can say more than the type.
FailureKind refine(FailureKind kind, const ProviderError& error) {
    if (kind == FailureKind::rejected && says_context_too_long(error)) return FailureKind::context_too_long;
    const bool is_for_the_day = error.message.find("per day") != std::string::npos;
    return kind == FailureKind::overloaded && is_for_the_day ? FailureKind::quota : kind;
}

std::string_view hint(FailureKind kind, std::string_view type, int status) {
    if (kind != FailureKind::denied) return "";
    if (is_type(type, "ResourceNotFoundException") || status == 404)
        return " Check the model's id and the provider's region.";
    if (is_type(type, "AccessDeniedException"))
        return " Check that these AWS credentials may invoke this model, in this region.";
    return " Check the AWS credentials or the Bedrock API key.";
}

}  // namespace

std::string bedrock_error_type(const http::Headers& headers, std::string_view body) {
    const std::string_view given = bare(headers.get("x-amzn-errortype"));
    return given.empty() ? std::string(bare(read_said(body).type)) : std::string(given);
}

Failure bedrock_error(int status, const http::Headers& headers, std::string_view body, const base::Secret& key,
                      std::int64_t wall_us) {
    if (status < 400) return read_error(status, headers, body, key, wall_us);
    const Said said = read_said(body);
    const std::string type = bedrock_error_type(headers, body);
    const ProviderError error{.type = type, .code = {}, .message = said.message};
    FailureKind kind = refine(kind_of_type(type).value_or(kind_of_status(status)), error);
    if (status == 413 && kind == FailureKind::rejected) kind = FailureKind::context_too_long;
    const std::string where = type.empty() ? fmt::format("HTTP {}", status) : fmt::format("HTTP {}, {}", status, type);
    Failure failure = make_failure(kind, where, error, key, hint(kind, type, status));
    if (status != 429 && kind == FailureKind::quota) failure.error.code = base::Errc::upstream_rejected;
    if (kind == FailureKind::overloaded) failure.error.retry_after = retry_after(headers, said.message, wall_us);
    return failure;
}

bool is_bedrock_exception(const aws::EventStreamMessage& message) {
    return message.message_type != "event" || message.event_type.ends_with("Exception");
}

Failure bedrock_exception(const aws::EventStreamMessage& message, const base::Secret& key) {
    const Said said = read_said(message.payload);
    std::string_view type = bare(message.exception_type);
    if (type.empty()) type = bare(message.error_code);
    if (type.empty()) type = bare(message.event_type);
    if (type.empty()) type = bare(said.type);
    const ProviderError error{.type = std::string(type),
                              .code = {},
                              .message = said.message.empty() ? std::string(message.error_message) : said.message};
    // "An error occurred while streaming the response. Retry your request." But not where the model's own refusal is
    // behind it.
    const bool is_models = is_type(type, "ModelStreamErrorException") && said.original_status >= 400;
    FailureKind kind = kind_of_type(type).value_or(FailureKind::overloaded);
    if (is_models && kind_of_status(said.original_status) != FailureKind::overloaded) kind = FailureKind::failed;
    kind = refine(kind, error);
    const std::string where = type.empty() ? "in its answer" : fmt::format("in its answer, {}", quotable(type, key));
    return make_failure(kind, where, error, key, "");
}

}  // namespace tertulia::providers
