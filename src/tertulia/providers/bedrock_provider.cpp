#include "tertulia/providers/bedrock_provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "tertulia/aws/sigv4.h"
#include "tertulia/base/date_text.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_error.h"
#include "tertulia/providers/bedrock_invoke_wire.h"
#include "tertulia/providers/bedrock_model.h"

namespace tertulia::providers {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using base::Errc;
using models::Attempt;
using models::Failure;
using models::FailureKind;

// AWS takes signatures that are up to five minutes old or early; a smaller difference is not why one was refused.
constexpr std::chrono::microseconds least_clock_error = 4min;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
    return std::ranges::find(list, text) != list.end();
}

// What an error text of the service may repeat: the string that was to be signed has the session's token in it.
const base::Secret& to_hide(const aws::Credentials& credentials) {
    return credentials.session_token.empty() ? credentials.secret_access_key : credentials.session_token;
}

bool is_same_key(const aws::Credentials& a, const aws::Credentials& b) {
    return a.access_key_id == b.access_key_id && a.session_token.reveal() == b.session_token.reveal();
}

Failure no_credentials(base::Error error, const std::stop_token& stop) {
    if (stop.stop_requested()) return {FailureKind::stopped, {.code = Errc::unavailable, .message = "stopped"}};
    FailureKind kind = FailureKind::denied;
    if (error.code == Errc::timed_out)
        kind = FailureKind::timed_out;
    else if (error.code == Errc::upstream_unavailable || error.code == Errc::unavailable)
        kind = FailureKind::unreachable;
    if (kind == FailureKind::denied) error.code = Errc::upstream_rejected;
    if (kind == FailureKind::unreachable) error.code = Errc::upstream_unavailable;
    error.message = fmt::format("Amazon Bedrock cannot be asked without credentials: {}.", error.message);
    return {kind, std::move(error)};
}

}  // namespace

std::string_view BedrockProvider::kind() const {
    return config_.api == Api::converse ? bedrock_converse_kind : bedrock_invoke_kind;
}

bool BedrockProvider::takes_prefill(std::string_view model) const {
    return bedrock_takes_prefill(model);
}

Task<Attempt<std::unique_ptr<models::AnswerStream>>> BedrockProvider::open(const models::ModelRequest& request,
                                                                           std::stop_token stop, Deadline deadline) {
    aws::CredentialCache::Shared used;
    Attempt<OpenedAnswer> opened = config_.api_key.empty() ? co_await send_signed(request, used, stop, deadline)
                                                           : co_await send_with_key(request, stop, deadline);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    const base::Secret key = used ? to_hide(*used) : config_.api_key;
    if (!opened->is_good())
        co_return std::unexpected(bedrock_error(opened->response->status, opened->response->headers, opened->error_body,
                                                key, clock_.wall_us()));
    co_return read_answer(std::move(opened->response), make_reader(request.model, key), key, std::move(stop));
}

Task<Attempt<OpenedAnswer>> BedrockProvider::send_with_key(const models::ModelRequest& request, std::stop_token stop,
                                                           Deadline deadline) {
    http::ClientRequest message = make_request(request);
    message.headers.add("Authorization", "Bearer " + config_.api_key.reveal());
    co_return co_await send_request(client_, std::move(message), config_.api_key, std::move(stop), deadline);
}

// `used`: what the last call was signed with.
Task<Attempt<OpenedAnswer>> BedrockProvider::send_signed(const models::ModelRequest& request,
                                                         aws::CredentialCache::Shared& used, std::stop_token stop,
                                                         Deadline deadline) {
    std::optional<OpenedAnswer> refused;
    Mend mend = Mend::nothing;
    bool key_mended = false, clock_mended = false;
    for (;;) {
        base::Result<aws::CredentialCache::Shared> credentials = co_await credentials_.get(stop, deadline);
        if (!credentials && refused) co_return std::move(*refused);
        if (!credentials) co_return std::unexpected(no_credentials(std::move(credentials.error()), stop));
        if (mend == Mend::key && is_same_key(**credentials, *used)) co_return std::move(*refused);
        used = std::move(*credentials);

        http::ClientRequest message = make_request(request);
        sign(message, *used);
        Attempt<OpenedAnswer> opened =
            co_await send_request(client_, std::move(message), to_hide(*used), stop, deadline);
        if (!opened || opened->is_good()) co_return opened;
        mend = mend_of(*opened);
        bool& mended = mend == Mend::key ? key_mended : clock_mended;
        if (mend == Mend::nothing || mended) co_return opened;
        mended = true;
        if (mend == Mend::key)
            credentials_.reject(used);
        else
            clock_offset_us_ = *base::parse_http_date(opened->response->headers.get("date")) - clock_.wall_us();
        refused = std::move(*opened);
    }
}

BedrockProvider::Mend BedrockProvider::mend_of(const OpenedAnswer& answer) const {
    if (answer.response->status < 400 || answer.response->status > 499) return Mend::nothing;
    const std::string type = bedrock_error_type(answer.response->headers, answer.error_body);
    if (is_one_of(type,
                  {"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId"}))
        return Mend::key;
    if (!is_one_of(type, {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired",
                          "RequestTimeTooSkewed", "RequestInTheFuture"}))
        return Mend::nothing;
    const std::optional<std::int64_t> server_us = base::parse_http_date(answer.response->headers.get("date"));
    if (!server_us) return Mend::nothing;
    const std::int64_t error_us = *server_us - (clock_.wall_us() + clock_offset_us_);
    return std::abs(error_us) > least_clock_error.count() ? Mend::clock : Mend::nothing;
}

http::ClientRequest BedrockProvider::make_request(const models::ModelRequest& request) const {
    const bool is_converse = config_.api == Api::converse;
    http::ClientRequest message{
        .url =
            append_path(config_.base_url, is_converse ? bedrock_converse_path(request) : bedrock_invoke_path(request)),
        .body = is_converse ? build_bedrock_converse_body(request) : build_bedrock_invoke_body(request),
        .connect_limit = config_.connect_limit};
    message.headers.add("Content-Type", "application/json");
    if (!request.stream)
        message.headers.add("Accept", "application/json");
    else if (!is_converse)
        message.headers.add("X-Amzn-Bedrock-Accept", "application/json");
    return message;
}

void BedrockProvider::sign(http::ClientRequest& message, const aws::Credentials& credentials) const {
    const std::string host = message.url.authority();
    const http::Headers signature = aws::sign_headers(
        {.method = message.method,
         .host = host,
         .target = message.url.target,
         .headers = message.headers,
         .body = message.body},
        credentials, {.region = config_.region, .service = "bedrock", .wall_us = clock_.wall_us() + clock_offset_us_});
    for (const auto& [name, value] : signature.fields()) message.headers.add(name, value);
}

MakeReader BedrockProvider::make_reader(std::string model, base::Secret key) const {
    if (config_.api == Api::converse)
        return [key = std::move(key)](std::string_view content_type) {
            return std::make_unique<BedrockConverseReader>(content_type, key);
        };
    return [key = std::move(key), model = std::move(model)](std::string_view content_type) {
        return std::make_unique<BedrockInvokeReader>(content_type, key, model);
    };
}

}  // namespace tertulia::providers
