#include "tertulia/providers/provider_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/base/utf8.h"

namespace tertulia::providers {
namespace {

using base::Errc;
using models::Failure;
using models::FailureKind;
using testing::HasSubstr;
using testing::Not;

Failure read(int status, std::string_view body, std::string_view type = "application/json", std::string key = "") {
    http::Headers headers;
    if (!type.empty()) headers.add("Content-Type", std::string(type));
    headers.add("Retry-After", "7");
    return read_error(status, headers, body, base::Secret(std::move(key)), 0);
}

TEST(ProviderError, status_and_body_decide_what_may_be_tried) {
    const struct {
        int status;
        const char* body;
        FailureKind kind;
        Errc code;
    } table[] = {
        {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"no"}})", FailureKind::rejected,
         Errc::upstream_rejected},
        {401, R"({"error":{"message":"Incorrect API key"}})", FailureKind::denied, Errc::upstream_rejected},
        {402, "{}", FailureKind::quota, Errc::upstream_rejected},
        {403, "", FailureKind::denied, Errc::upstream_rejected},
        {404, "<html>", FailureKind::denied, Errc::upstream_rejected},
        {408, "", FailureKind::overloaded, Errc::upstream_unavailable},
        {409, "", FailureKind::overloaded, Errc::upstream_unavailable},
        {413, "<html>413 Request Entity Too Large</html>", FailureKind::context_too_long, Errc::upstream_rejected},
        {422, R"({"detail":"x"})", FailureKind::rejected, Errc::upstream_rejected},
        {429, R"({"error":{"code":"rate_limit_exceeded","message":"slow"}})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {429, R"({"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"pay"}})",
         FailureKind::quota, Errc::upstream_unavailable},
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})",
         FailureKind::quota, Errc::upstream_rejected},
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2025-11-01 at 00:00 UTC."}})",
         FailureKind::quota, Errc::upstream_rejected},
        {429, R"({"error":{"type":"billing_not_active","code":"billing_not_active","message":"x"}})",
         FailureKind::quota, Errc::upstream_unavailable},
        {402, R"({"type":"error","error":{"type":"billing_error","message":"x"}})", FailureKind::quota,
         Errc::upstream_rejected},
        {500, "oops", FailureKind::overloaded, Errc::upstream_unavailable},
        {503, R"({"error":"loading model"})", FailureKind::overloaded, Errc::upstream_unavailable},
        {501, "", FailureKind::failed, Errc::upstream_unavailable},
        {505, "", FailureKind::failed, Errc::upstream_unavailable},
        {520, "", FailureKind::overloaded, Errc::upstream_unavailable},
        {525, "", FailureKind::failed, Errc::upstream_unavailable},
        {529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {302, "", FailureKind::broken, Errc::upstream_unavailable},
        {400, R"({"error":{"code":"context_length_exceeded","message":"x"}})", FailureKind::context_too_long,
         Errc::upstream_rejected},
        {400, R"({"error":{"code":400,"message":"x","type":"exceed_context_size_error"}})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8 maximum"}})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"error":"This model's maximum prompt length is 131072 but the request contains 200000 tokens."})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"error":{"message":"Invalid request: Your request exceeded model token limit: 8192"}})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"error":{"message":"Input length 5000 exceeds the maximum allowed token length of 4096"}})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"error":"context length exceeded"})", FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"([{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens"}}])",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"message":"Too many input tokens. Max input tokens: 8192, request input token count: 9000"})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {422,
         R"({"error":"`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000","error_type":"validation"})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {422, R"({"error":"`inputs` must have less than 4096 tokens. Given: 5000","error_type":"validation"})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081"})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"message":"The decoder prompt (length 5000) is longer than the maximum model length of 4096."})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {400, R"({"error":{"message":"Range of input length should be [1, 30720]"}})", FailureKind::context_too_long,
         Errc::upstream_rejected},
        {400, R"([])", FailureKind::rejected, Errc::upstream_rejected},
        {429, R"({"message":"Too many tokens, please wait before trying again."})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {400, R"({"error":{"message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}})",
         FailureKind::context_too_long, Errc::upstream_rejected},
    };
    for (const auto& row : table) {
        const Failure failure = read(row.status, row.body);
        EXPECT_EQ(failure.kind, row.kind) << row.status << " " << row.body;
        EXPECT_EQ(failure.error.code, row.code) << row.status << " " << row.body;
        const bool may_say_when = row.kind == FailureKind::overloaded || row.kind == FailureKind::quota;
        EXPECT_EQ(failure.error.retry_after.has_value(), may_say_when) << row.status;
        EXPECT_THAT(failure.error.message, HasSubstr(std::to_string(row.status)));
    }
}

TEST(ProviderError, a_prompt_too_long_may_say_how_long_it_may_be) {
    const std::pair<const char*, std::optional<std::int64_t>> table[] = {
        {"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8192},
        {"This model's maximum context length is 4,096 tokens.", 4096},
        {"This model's maximum prompt length is 131072 but the request contains 200000 tokens.", 131'072},
        {"prompt is too long: 208310 tokens > 200000 maximum", 200'000},
        {"input length and `max_tokens` exceed context limit: 198000 + 4096 > 200000, decrease it", 200'000},
        {"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1'048'576},
        {"the request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096},
        {"Too many input tokens. Max input tokens: 8192, request input token count: 9000", 8192},
        {"`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", 4096},
        {"`inputs` must have less than 2048 tokens. Given: 5000", 2048},
        {"too many tokens: total number of tokens in the prompt cannot exceed 4081", 4081},
        {"The decoder prompt (length 5000) is longer than the maximum model length of 4096.", 4096},
        {"Range of input length should be [1, 30720]", std::nullopt},
        {"the request exceeds the available context size, try increasing it", std::nullopt},
        {"Your input exceeds the context window of this model.", std::nullopt},
        {"Input is too long for requested model.", std::nullopt},
        {"prompt is too long: 9 > 8 maximum", std::nullopt},  // no model's
        {"maximum context length is 99999999999999999999 tokens", std::nullopt},
        {"maximum context length was exceeded by this very long prompt of 9000 tokens", std::nullopt},
    };
    for (const auto& [message, window] : table) {
        const Failure failure =
            make_failure(FailureKind::context_too_long, "HTTP 400", {.message = message}, base::Secret(), "");
        EXPECT_EQ(failure.context_window, window) << message;
    }
    EXPECT_FALSE(make_failure(FailureKind::rejected, "x", {.message = "1 > 2000"}, base::Secret(), "").context_window);
}

TEST(ProviderError, quotes_what_the_provider_says) {
    EXPECT_THAT(read(400, R"({"error":{"message":"Unknown thing."}})").error.message, HasSubstr(": Unknown thing."));
    EXPECT_THAT(read(500, R"({"error":"loading model"})").error.message, HasSubstr("loading model"));
    EXPECT_THAT(read(500, R"({"message":"top"})").error.message, HasSubstr("top"));
    EXPECT_THAT(read(500, "plain words", "text/plain").error.message, HasSubstr("plain words"));
    EXPECT_THAT(read(502, "<html>words</html>", "text/html").error.message, Not(HasSubstr("words")));
    EXPECT_THAT(read(401, "").error.message, HasSubstr("API key"));
}

TEST(ProviderError, never_repeats_a_key) {
    const std::string key = "very-secret-key-of-ours";
    const Failure failure = read(401,
                                 R"({"error":{"message":"Incorrect API key provided: very-secret-key-of-ours, or )"
                                 R"(sk-abcd1234******wxyz of org-ABCDEFGHIJ."}})",
                                 "application/json", key);
    EXPECT_THAT(failure.error.message, Not(HasSubstr(key)));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("abcd1234")));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("ABCDEFGHIJ")));
    EXPECT_THAT(failure.error.message, HasSubstr("Incorrect API key provided: ***, or *** of ***."));
    // Nor a part of one at the place where the text is cut.
    const std::string text = std::string(290, 'x') + " " + key;
    EXPECT_THAT(quotable(text, base::Secret(key)), Not(HasSubstr("very")));
    EXPECT_EQ(quotable("task-force-of-twelve sk-short", base::Secret()), "task-force-of-twelve sk-short");
}

TEST(ProviderError, quotes_are_short_lines_of_valid_utf8) {
    const struct {
        std::string text, quoted;
    } table[] = {
        {"", ""},
        {"a\nb\r\n\tc\x01", "a b   c "},
        {"bad \xff\xc3 bytes", "bad \xef\xbf\xbd\xef\xbf\xbd bytes"},
        {std::string(300, 'a'), std::string(300, 'a')},
        {std::string(301, 'a'), std::string(300, 'a') + "..."},
        {std::string(299, 'a') + "\xc3\xa9", std::string(299, 'a') + "..."},
    };
    for (const auto& row : table) EXPECT_EQ(quotable(row.text, base::Secret()), row.quoted);
    EXPECT_EQ(base::find_invalid_utf8(read(500, std::string(5000, '\xe2'), "text/plain").error.message),
              std::string_view::npos);
}

TEST(ProviderError, an_error_inside_an_answer_is_overload_unless_it_says_otherwise) {
    const struct {
        ProviderError error;
        FailureKind kind;
        Errc code;
    } table[] = {
        {{.type = "overloaded_error", .message = "Overloaded"}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{.type = "api_error"}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{.type = "server_error", .code = "rate_limit_exceeded"}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{.status = 503}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{.status = 429}, FailureKind::overloaded, Errc::upstream_unavailable},
        {{.status = 400}, FailureKind::rejected, Errc::upstream_rejected},
        {{.type = "invalid_request_error"}, FailureKind::rejected, Errc::upstream_rejected},
        {{.type = "authentication_error"}, FailureKind::denied, Errc::upstream_rejected},
        {{.status = 404}, FailureKind::denied, Errc::upstream_rejected},
        {{.status = 501}, FailureKind::failed, Errc::upstream_unavailable},
        {{.type = "insufficient_quota"}, FailureKind::quota, Errc::upstream_unavailable},
        {{.code = "context_length_exceeded"}, FailureKind::context_too_long, Errc::upstream_rejected},
    };
    for (const auto& row : table) {
        const Failure failure = in_band_failure(row.error, base::Secret());
        EXPECT_EQ(failure.kind, row.kind) << row.error.type << row.error.code << row.error.status;
        EXPECT_EQ(failure.error.code, row.code) << row.error.type << row.error.code << row.error.status;
    }
}

TEST(ProviderError, an_error_inside_an_answer_may_say_how_long_to_wait) {
    const ProviderError limit{.code = "rate_limit_exceeded",
                              .message = "Rate limit reached. Please try again in 1.2s."};
    EXPECT_EQ(in_band_failure(limit, base::Secret()).error.retry_after, std::chrono::milliseconds(1200));
    EXPECT_EQ(in_band_failure({.message = "x"}, base::Secret()).error.retry_after, std::nullopt);
}

}  // namespace
}  // namespace tertulia::providers
