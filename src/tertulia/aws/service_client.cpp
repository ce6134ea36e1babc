#include "tertulia/aws/service_client.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include "tertulia/async/waiter.h"
#include "tertulia/aws/crc32.h"
#include "tertulia/aws/region.h"
#include "tertulia/base/date_text.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using base::Errc;

// AWS takes signatures that are up to five minutes old or early; a smaller difference is not why one was refused.
constexpr std::chrono::microseconds least_clock_error = 4min;

http::Url append_target(http::Url url, std::string_view target) {
    while (url.target.ends_with('/')) url.target.pop_back();
    url.target += target;
    return url;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Bodies that were encoded come decoded, and their checksum is that of the encoded ones.
bool is_checksum_right(const http::Headers& headers, std::string_view body) {
    const std::string* text = headers.find("x-amz-crc32");
    if (!text || headers.find("content-encoding")) return true;
    return parse_number<std::uint32_t>(*text) == add_to_crc32(0, body);
}

bool is_same_key(const Credentials& a, const Credentials& b) {
    return a.access_key_id == b.access_key_id && a.session_token.reveal() == b.session_token.reveal();
}

ServiceError stopped() {
    return {.message = "stopped", .errc = Errc::unavailable};
}

ServiceError no_credentials(base::Error error) {
    switch (error.code) {
        case Errc::unauthenticated:
        case Errc::forbidden:
        case Errc::timed_out:
        case Errc::upstream_unavailable:
            break;
        default:
            error.code = Errc::upstream_unavailable;
    }
    return {.message = fmt::format("without credentials: {}", error.message), .errc = error.code};
}

Task<void> pause(base::Milliseconds time, const std::stop_token& stop) {
    const auto waiter = async::Waiter::make(co_await async::this_executor);
    const std::stop_callback wake(stop, [&] { waiter->wake(); });
    if (!stop.stop_requested()) co_await waiter->wait(Deadline::after(time));
}

}  // namespace

base::Result<ServiceConfig> service_config(const base::Environment& environment, std::string_view service,
                                           std::string region) {
    if (!is_region(region)) return base::fail(Errc::invalid_request, fmt::format("\"{}\" is no AWS region", region));
    const std::string address = service_url(environment, service, region);
    auto url = http::parse_url(address);
    if (!url)
        return base::fail(Errc::invalid_request, fmt::format("The address of AWS's service {} (\"{}\") is none: {}",
                                                             service, address, url.error().message));
    return ServiceConfig{.base_url = std::move(*url), .region = std::move(region), .service = std::string(service)};
}

ServiceRequest json_request(std::string_view operation, std::string body, std::string_view version) {
    ServiceRequest request{.body = std::move(body)};
    request.headers.add("Content-Type", fmt::format("application/x-amz-json-{}", version));
    request.headers.add("X-Amz-Target", std::string(operation));
    return request;
}

struct ServiceClient::Attempt {
    ServiceAnswer answer;               // where there is no error
    std::optional<ServiceError> error;  // its `remedy` says the rest, but where there was no answer
    Remedy remedy = Remedy::none;
    bool was_not_sent = false;
};

ServiceClient::ServiceClient(http::Client& client, CredentialCache& credentials, const base::Clock& clock,
                             base::Random& random, ServiceConfig config)
    : client_(client), credentials_(credentials), clock_(clock), random_(random), config_(std::move(config)) {}

Task<ServiceResult> ServiceClient::send(ServiceRequest request, std::stop_token stop, Deadline deadline) {
    RetryPolicy policy(config_.retry, quota_, request.is_repeatable);
    std::optional<ServiceError> refused;
    CredentialCache::Shared refused_key;
    for (int attempts = 1;; ++attempts) {
        const auto credentials = co_await credentials_.get(stop, deadline);
        if (stop.stop_requested()) co_return std::unexpected(stopped());
        if (!credentials && refused) co_return std::unexpected(std::move(*refused));
        if (!credentials) co_return std::unexpected(no_credentials(credentials.error()));
        if (refused_key && is_same_key(**credentials, *refused_key)) co_return std::unexpected(std::move(*refused));
        refused_key.reset();

        Attempt made = co_await attempt(request, **credentials, stop, deadline);
        if (!made.error) {
            policy.succeeded();
            made.answer.attempts = attempts;
            co_return std::move(made.answer);
        }
        if (stop.stop_requested()) co_return std::unexpected(stopped());
        const RetryPolicy::Step step = policy.after(failure_of(made), random());
        if (step.remedy == Remedy::none || deadline.passed(std::chrono::steady_clock::now() + step.wait))
            co_return std::unexpected(std::move(*made.error));
        if (step.remedy == Remedy::new_credentials) {
            credentials_.reject(*credentials);
            refused_key = *credentials;
        } else if (step.remedy == Remedy::correct_clock) {
            clock_offset_us_ = *base::parse_http_date(made.answer.headers.get("date")) - clock_.wall_us();
        } else {
            co_await pause(step.wait, stop);
        }
        refused = std::move(made.error);
    }
}

Task<ServiceClient::Attempt> ServiceClient::attempt(const ServiceRequest& request, const Credentials& credentials,
                                                    std::stop_token stop, Deadline deadline) {
    deadline = deadline.earlier(Deadline::after(config_.attempt_limit));
    const auto broken = [](const base::Error& error) {
        Attempt attempt{.error = ServiceError{.message = error.message, .errc = error.code}, .remedy = Remedy::retry};
        attempt.was_not_sent = error.title == http::cannot_connect;
        if (error.code == Errc::invalid_request) {  // it cannot be sent, now or later
            attempt.error->errc = Errc::upstream_rejected;
            attempt.remedy = Remedy::none;
        }
        return attempt;
    };
    auto sent = co_await client_.send(make_request(request, credentials), stop, deadline);
    if (!sent) co_return broken(sent.error());
    http::ClientResponse& response = **sent;
    Attempt attempt{.answer = {.status = response.status, .headers = response.headers}};
    std::string& body = attempt.answer.body;
    for (;;) {
        const base::Result<std::string_view> bytes = co_await response.read(deadline);
        if (!bytes) co_return broken(bytes.error());
        if (bytes->empty()) break;
        body += *bytes;
        if (body.size() <= config_.answer_limit) continue;
        attempt.error = ServiceError{.message = fmt::format("the answer is longer than {} bytes", config_.answer_limit),
                                     .status = response.status,
                                     .errc = Errc::too_large};
        co_return attempt;
    }
    if (!is_checksum_right(response.headers, body))
        co_return broken({.code = Errc::upstream_unavailable,
                          .message = "the answer's bytes do not match their checksum (x-amz-crc32)"});
    if (response.status >= 200 && response.status <= 299) co_return attempt;
    attempt.error = read_service_error(response.status, response.headers, std::move(body));
    attempt.remedy = remedy_for(*attempt.error);
    co_return attempt;
}

http::ClientRequest ServiceClient::make_request(const ServiceRequest& request, const Credentials& credentials) const {
    http::ClientRequest message{.url = append_target(config_.base_url, request.target),
                                .method = request.method,
                                .headers = request.headers,
                                .body = request.body,
                                .connect_limit = config_.connect_limit};
    const std::string host = message.url.authority();
    const http::Headers signature = sign_headers(
        {.method = message.method,
         .host = host,
         .target = message.url.target,
         .headers = message.headers,
         .body = message.body},
        credentials, {.region = config_.region, .service = config_.service, .wall_us = now_us()}, config_.rules);
    for (const auto& [name, value] : signature.fields()) message.headers.add(name, value);
    return message;
}

RetryPolicy::Failed ServiceClient::failure_of(const Attempt& attempt) const {
    RetryPolicy::Failed failed{.remedy = attempt.remedy, .was_not_sent = attempt.was_not_sent};
    const http::Headers& headers = attempt.answer.headers;
    if (const auto ms = parse_number<std::int64_t>(headers.get("x-amz-retry-after")); ms && *ms >= 0)
        failed.retry_after = base::Milliseconds(*ms);
    if (const auto server_us = base::parse_http_date(headers.get("date")))
        failed.clock_is_wrong = std::abs(*server_us - now_us()) > least_clock_error.count();
    return failed;
}

double ServiceClient::random() const {
    std::array<unsigned char, 4> bytes{};
    random_.fill(bytes);
    std::uint32_t number = 0;
    for (const unsigned char byte : bytes) number = number << 8 | byte;
    return static_cast<double>(number) / 4294967296.0;
}

}  // namespace tertulia::aws
