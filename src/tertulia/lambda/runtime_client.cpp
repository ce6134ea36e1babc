#include "tertulia/lambda/runtime_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tertulia/base/base64.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/url.h"

namespace tertulia::lambda {
namespace {

constexpr std::string_view runtime = "/2018-06-01/runtime/";
constexpr std::string_view extension = "/2020-01-01/extension/";
constexpr const char* error_type_field = "Lambda-Runtime-Function-Error-Type";
constexpr const char* error_body_field = "Lambda-Runtime-Function-Error-Body";
// The other side is in the same machine. What waits for longer waits in vain.
constexpr base::Milliseconds call_limit{10'000};
constexpr base::Milliseconds register_limit{1'000};
// No invocation may take longer; what says so is no deadline.
constexpr std::int64_t longest_ms = 86'400'000;

std::string error_json(const InvocationError& error) {
    std::string out = "{\"errorMessage\":";
    base::append_json_string(out, base::valid_utf8(error.message));
    out += ",\"errorType\":";
    base::append_json_string(out, error.type);
    return out + ",\"stackTrace\":[]" + error.more + "}";
}

// Lambda keeps a type in this field only if it is one of its own form: `Provider.Overloaded` is
// `Function.ProviderOverloaded` there.
std::string error_field(const InvocationError& error) {
    std::string out = "Function.";
    for (const char c : error.type)
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) out += c;
    return out;
}

Posted posted(int status) {
    if (status < 300) return Posted::taken;
    return status >= 500 ? Posted::broken : Posted::refused;
}

// Reads an answer to its end: so its connection can be used again.
async::Task<base::Result<std::string>> read_all(http::ClientResponse& response, base::Deadline deadline) {
    std::string body;
    for (;;) {
        auto piece = co_await response.read(deadline);
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) co_return body;
        body += *piece;
    }
}

}  // namespace

base::Result<RuntimeClient> RuntimeClient::make(http::Client& client, const base::Clock& clock, std::string_view api) {
    auto url = http::parse_url("http://" + std::string(api));
    if (!url) return std::unexpected(url.error());
    return RuntimeClient(client, clock, std::move(*url));
}

http::ClientRequest RuntimeClient::request(std::string method, std::string target) const {
    http::ClientRequest request{.url = url_, .method = std::move(method), .headers = {}, .body = {}};
    request.url.target = std::move(target);
    return request;
}

http::ClientRequest RuntimeClient::answer(const Invocation& invocation, std::string_view what) const {
    http::ClientRequest answer = request("POST", fmt::format("{}invocation/{}/{}", runtime, invocation.id, what));
    answer.headers.add("Content-Type", "application/json");
    return answer;
}

async::Task<base::Result<Invocation>> RuntimeClient::next(std::stop_token stop) {
    auto response = co_await client_->send(request("GET", fmt::format("{}invocation/next", runtime)), stop,
                                           base::Deadline::never());
    if (!response) co_return std::unexpected(std::move(response.error()));
    const base::SteadyTime now = clock_->steady();
    auto body = co_await read_all(**response, base::Deadline(now + call_limit));
    if (!body) co_return std::unexpected(std::move(body.error()));
    const http::Headers& headers = (*response)->headers;
    Invocation invocation{.id = std::string(headers.get("Lambda-Runtime-Aws-Request-Id")),
                          .deadline = {},
                          .function_arn = std::string(headers.get("Lambda-Runtime-Invoked-Function-Arn")),
                          .trace_id = std::string(headers.get("Lambda-Runtime-Trace-Id")),
                          .event = std::move(*body)};
    if ((*response)->status != 200 || invocation.id.empty())
        co_return base::fail(base::Errc::upstream_unavailable,
                             fmt::format("The Runtime API answered {} instead of an event.", (*response)->status));
    const std::string_view text = headers.get("Lambda-Runtime-Deadline-Ms");
    std::int64_t deadline_ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), deadline_ms);
    const std::int64_t now_ms = clock_->wall_us() / 1000;
    if (error == std::errc() && end == text.data() + text.size() && deadline_ms < now_ms + longest_ms)
        invocation.deadline = base::Deadline(now + base::Milliseconds(std::max<std::int64_t>(0, deadline_ms - now_ms)));
    co_return invocation;
}

async::Task<Posted> RuntimeClient::post(http::ClientRequest request) {
    const base::Deadline deadline(clock_->steady() + call_limit);
    auto response = co_await client_->send(std::move(request), {}, deadline);
    if (!response) co_return Posted::lost;
    (void)co_await read_all(**response, deadline);
    co_return posted((*response)->status);
}

async::Task<Posted> RuntimeClient::respond(const Invocation& invocation, std::string payload) {
    http::ClientRequest request = answer(invocation, "response");
    request.body = std::move(payload);
    return post(std::move(request));
}

async::Task<Posted> RuntimeClient::fail(const Invocation& invocation, InvocationError error) {
    http::ClientRequest request = answer(invocation, "error");
    request.headers.add(error_type_field, error_field(error));
    request.body = error_json(error);
    return post(std::move(request));
}

async::Task<base::Result<std::unique_ptr<http::ClientUpload>>> RuntimeClient::stream(const Invocation& invocation,
                                                                                     std::string prelude,
                                                                                     std::stop_token stop) {
    http::ClientRequest request =
        this->request("POST", fmt::format("{}invocation/{}/response", runtime, invocation.id));
    request.headers.add("Content-Type", "application/vnd.awslambda.http-integration-response");
    request.headers.add("Lambda-Runtime-Function-Response-Mode", "streaming");
    request.headers.add("Trailer", fmt::format("{}, {}", error_type_field, error_body_field));
    request.body = std::move(prelude);
    return client_->upload(std::move(request), std::move(stop), base::Deadline(clock_->steady() + call_limit));
}

async::Task<Posted> RuntimeClient::end_stream(http::ClientUpload& upload, const InvocationError* failure) {
    http::Headers trailers;
    if (failure) {
        trailers.add(error_type_field, error_field(*failure));
        trailers.add(error_body_field, base::encode_base64(error_json(*failure)));
    }
    const base::Deadline deadline(clock_->steady() + call_limit);
    auto response = co_await upload.finish(std::move(trailers), deadline);
    if (!response) co_return Posted::lost;
    (void)co_await read_all(**response, deadline);
    co_return posted((*response)->status);
}

async::Task<void> RuntimeClient::fail_init(InvocationError error) {
    http::ClientRequest request = this->request("POST", std::string(runtime) + "init/error");
    request.headers.add("Content-Type", "application/json");
    request.headers.add(error_type_field, error_field(error));
    request.body = error_json(error);
    (void)co_await post(std::move(request));
}

async::Task<base::Result<std::string>> RuntimeClient::register_extension() {
    http::ClientRequest request = this->request("POST", std::string(extension) + "register");
    request.headers.add("Content-Type", "application/json");
    request.headers.add("Lambda-Extension-Name", "tertulia");
    request.body = "{\"events\":[]}";
    const base::Deadline deadline(clock_->steady() + register_limit);
    auto response = co_await client_->send(std::move(request), {}, deadline);
    if (!response) co_return std::unexpected(std::move(response.error()));
    (void)co_await read_all(**response, deadline);
    const std::string_view identifier = (*response)->headers.get("Lambda-Extension-Identifier");
    if ((*response)->status != 200 || identifier.empty())
        co_return base::fail(base::Errc::unavailable,
                             fmt::format("The extension was not registered: status {}.", (*response)->status));
    co_return std::string(identifier);
}

async::Task<void> RuntimeClient::wait_as_extension(std::string identifier, std::stop_token stop) {
    http::ClientRequest request = this->request("GET", std::string(extension) + "event/next");
    request.headers.add("Lambda-Extension-Identifier", std::move(identifier));
    (void)co_await client_->send(std::move(request), stop, base::Deadline::never());
}

}  // namespace tertulia::lambda
