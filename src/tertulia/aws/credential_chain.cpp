#include "tertulia/aws/credential_chain.h"

#include <fmt/format.h>

#include <fstream>
#include <thread>
#include <utility>

#include "tertulia/async/callback.h"
#include "tertulia/aws/credential_documents.h"
#include "tertulia/aws/region.h"
#include "tertulia/aws/run_process.h"
#include "tertulia/aws/sigv4.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/percent.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Errc;
using base::Result;
using base::variable;

// Each call to a source, connecting included; all together have the caller's deadline.
constexpr base::Milliseconds sts_limit = 10s;
constexpr base::Milliseconds container_limit = 5s;
constexpr base::Milliseconds instance_limit = 1s;
constexpr base::Milliseconds process_limit = 60s;

constexpr std::size_t max_document = std::size_t(64) << 10;
constexpr std::size_t max_token_file = std::size_t(16) << 10;
constexpr int max_roles = 4;

bool has_credentials(const Profile& profile) {
    for (const std::string_view name :
         {"role_arn", "aws_access_key_id", "credential_process", "sso_session", "sso_start_url"})
        if (!setting(profile, name).empty()) return true;
    return false;
}

std::unexpected<base::Error> fail_at(std::string_view where, base::Error error) {
    if (error.message != "stopped") error.message = fmt::format("{}: {}", where, error.message);
    return std::unexpected(std::move(error));
}

// `what` on a thread of its own, which has ended when the task goes on.
template <class T>
Task<T> on_thread(std::move_only_function<T()> what) {
    std::jthread thread;
    co_return co_await async::await_callback<T>([&](std::move_only_function<void(T)> done) {
        thread = std::jthread([what = std::move(what), done = std::move(done)]() mutable { done(what()); });
    });
}

// A file with a token in it, which may be replaced at any time.
Result<std::string> read_token(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(max_token_file + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.empty() || text.size() > max_token_file || !http::is_field_value(text))
        return base::fail(Errc::unauthenticated, fmt::format("{} holds no token", path));
    return text;
}

http::Url with_path(http::Url url, std::string_view path) {
    while (url.target.ends_with('/')) url.target.pop_back();
    url.target += path;
    return url;
}

}  // namespace

std::optional<CredentialSource> find_credential_source(const base::Environment& environment, const Profiles& profiles) {
    const auto has = [&](std::string_view name) { return !variable(environment, name).empty(); };
    if (has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY")) return CredentialSource::environment;
    if (has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN")) return CredentialSource::web_identity;
    const Profile* profile = find_profile(profiles, profile_name(environment));
    // One that was asked for by name and does not exist is an error.
    if (profile ? has_credentials(*profile) : has("AWS_PROFILE")) return CredentialSource::profile;
    if (has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || has("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        return CredentialSource::container;
    if (http::equal_ignoring_case(variable(environment, "AWS_EC2_METADATA_DISABLED"), "true")) return {};
    return CredentialSource::instance;
}

Task<Result<Credentials>> CredentialChain::fetch(std::stop_token stop, base::Deadline deadline) const {
    const Profiles profiles = read_profiles(environment_);
    const Call call{.profiles = profiles, .stop = std::move(stop), .deadline = deadline};
    const std::optional<CredentialSource> source = find_credential_source(environment_, profiles);
    if (!source)
        co_return base::fail(
            Errc::unauthenticated,
            "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile");
    co_return co_await from_source(*source, call);
}

Task<Result<Credentials>> CredentialChain::from_source(CredentialSource source, const Call& call) const {
    switch (source) {
        case CredentialSource::environment:
            co_return from_environment();
        case CredentialSource::web_identity:
            co_return co_await from_web_identity(std::string(variable(environment_, "AWS_ROLE_ARN")),
                                                 std::string(variable(environment_, "AWS_WEB_IDENTITY_TOKEN_FILE")),
                                                 session_name(variable(environment_, "AWS_ROLE_SESSION_NAME")), call);
        case CredentialSource::profile:
            co_return co_await from_profile(profile_name(environment_), 0, call);
        case CredentialSource::container:
            co_return co_await from_container(call);
        case CredentialSource::instance:
            co_return co_await from_instance(call);
    }
    co_return base::fail(Errc::internal, "no such source of credentials");
}

Result<Credentials> CredentialChain::from_environment() const {
    return Credentials{.access_key_id = std::string(variable(environment_, "AWS_ACCESS_KEY_ID")),
                       .secret_access_key = base::Secret(std::string(variable(environment_, "AWS_SECRET_ACCESS_KEY"))),
                       .session_token = base::Secret(std::string(variable(environment_, "AWS_SESSION_TOKEN")))};
}

Task<Result<Credentials>> CredentialChain::from_web_identity(std::string role, std::string token_file,
                                                             std::string session_name, const Call& call) const {
    const Result<std::string> token = read_token(token_file);
    if (!token) co_return std::unexpected(token.error());
    co_return co_await ask_sts(
        fmt::format(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
            http::percent_encode(role), http::percent_encode(session_name), http::percent_encode(*token)),
        nullptr, call);
}

// A role first, then keys, then a process, as AWS's own tools do.
Task<Result<Credentials>> CredentialChain::from_profile(std::string name, int depth, const Call& call) const {
    const std::string where = fmt::format("AWS profile {}", name);
    const Profile* profile = find_profile(call.profiles, name);
    if (!profile) co_return fail_at(where, {.code = Errc::unauthenticated, .message = "there is no such profile"});
    // A profile may name itself as the source of its role: then its keys are meant.
    if (!setting(*profile, "role_arn").empty() && !(depth > 0 && setting(*profile, "source_profile") == name)) {
        Result<Credentials> lent = co_await from_role(*profile, name, depth, call);
        if (!lent) co_return fail_at(where, std::move(lent.error()));
        co_return lent;
    }
    if (const std::string_view id = setting(*profile, "aws_access_key_id"); !id.empty()) {
        const std::string_view secret = setting(*profile, "aws_secret_access_key");
        if (secret.empty())
            co_return fail_at(where, {.code = Errc::unauthenticated, .message = "aws_secret_access_key is missing"});
        co_return Credentials{.access_key_id = std::string(id),
                              .secret_access_key = base::Secret(std::string(secret)),
                              .session_token = base::Secret(std::string(setting(*profile, "aws_session_token")))};
    }
    if (const std::string_view command = setting(*profile, "credential_process"); !command.empty()) {
        Result<Credentials> printed = co_await from_process(std::string(command), call);
        if (!printed) co_return fail_at(where + ", credential_process", std::move(printed.error()));
        co_return printed;
    }
    co_return fail_at(where,
                      {.code = Errc::unauthenticated,
                       .message = "signing in by SSO is not supported here; use `credential_process = aws configure "
                                  "export-credentials --profile NAME --format process` in a profile of its own"});
}

Task<Result<Credentials>> CredentialChain::from_role(const Profile& profile, std::string name, int depth,
                                                     const Call& call) const {
    const std::string role(setting(profile, "role_arn"));
    const std::string as = session_name(setting(profile, "role_session_name"));
    if (const std::string_view file = setting(profile, "web_identity_token_file"); !file.empty())
        co_return co_await from_web_identity(role, std::string(file), as, call);
    if (!setting(profile, "mfa_serial").empty())
        co_return base::fail(Errc::unauthenticated, "a role that asks for a second factor cannot be used by a server");
    if (depth >= max_roles)
        co_return base::fail(Errc::unauthenticated, "its roles lead from one to the next too often");

    const std::string_view source_profile = setting(profile, "source_profile");
    const std::string_view source = setting(profile, "credential_source");
    Result<Credentials> signer = base::fail(
        Errc::unauthenticated, "role_arn needs source_profile, credential_source or web_identity_token_file");
    if (!source_profile.empty())
        signer = co_await from_profile(std::string(source_profile), depth + 1, call);
    else if (source == "Environment")
        signer = from_environment();
    else if (source == "EcsContainer")
        signer = co_await from_container(call);
    else if (source == "Ec2InstanceMetadata")
        signer = co_await from_instance(call);
    if (!signer) co_return signer;

    std::string form = fmt::format("Action=AssumeRole&Version=2011-06-15&RoleArn={}&RoleSessionName={}",
                                   http::percent_encode(role), http::percent_encode(as));
    if (const std::string_view id = setting(profile, "external_id"); !id.empty())
        form += "&ExternalId=" + http::percent_encode(id);
    if (const std::string_view seconds = setting(profile, "duration_seconds"); !seconds.empty())
        form += "&DurationSeconds=" + http::percent_encode(seconds);
    co_return co_await ask_sts(std::move(form), &*signer, call);
}

Task<Result<Credentials>> CredentialChain::from_process(std::string command, const Call& call) const {
    const Result<std::string> output = co_await on_thread<Result<std::string>>(
        [command = std::move(command), &environment = environment_, stop = call.stop] {
            return run_process(command, environment, process_limit, max_document, stop);
        });
    if (!output) co_return std::unexpected(output.error());
    co_return parse_process_output(*output);
}

Task<Result<Credentials>> CredentialChain::from_container(const Call& call) const {
    constexpr std::string_view where = "the container's AWS credentials";
    const Result<std::optional<http::Url>> url = container_url(environment_);
    if (!url) co_return fail_at(where, url.error());
    if (!*url) co_return fail_at(where, {.code = Errc::unauthenticated, .message = "their address is not set"});
    http::ClientRequest request{.url = **url, .method = "GET", .connect_limit = container_limit};
    std::string token(variable(environment_, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    if (const std::string_view file = variable(environment_, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
        Result<std::string> read = read_token(std::string(file));
        if (!read) co_return fail_at(where, std::move(read.error()));
        token = std::move(*read);
    }
    if (!token.empty()) request.headers.add("Authorization", token);
    request.headers.add("Accept", "application/json");

    Result<Answer> answer = co_await ask(std::move(request), container_limit, call);
    if (!answer) co_return fail_at(where, std::move(answer.error()));
    Result<Credentials> lent = parse_lent_credentials(answer->body);
    if (lent && answer->status == 200) co_return lent;
    co_return fail_at(where, {.code = answer->status >= 500 ? Errc::upstream_unavailable : Errc::unauthenticated,
                              .message = fmt::format("status {}{}", answer->status,
                                                     lent ? std::string() : ", " + lent.error().message)});
}

Task<Result<Credentials>> CredentialChain::from_instance(const Call& call) const {
    constexpr std::string_view where = "the EC2 instance's AWS credentials";
    if (http::equal_ignoring_case(variable(environment_, "AWS_EC2_METADATA_DISABLED"), "true"))
        co_return fail_at(where, {.code = Errc::unauthenticated, .message = "AWS_EC2_METADATA_DISABLED says true"});
    std::string_view endpoint = variable(environment_, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (endpoint.empty()) endpoint = "http://169.254.169.254";
    const Result<http::Url> base_url = http::parse_url(endpoint);
    if (!base_url) co_return fail_at("AWS_EC2_METADATA_SERVICE_ENDPOINT", base_url.error());

    http::ClientRequest for_token{
        .url = with_path(*base_url, "/latest/api/token"), .method = "PUT", .connect_limit = instance_limit};
    for_token.headers.add("X-aws-ec2-metadata-token-ttl-seconds", "21600");
    const Result<Answer> token = co_await ask(std::move(for_token), instance_limit, call);
    if (!token || token->status != 200 || !http::is_field_value(token->body)) {
        if (!token && token.error().message == "stopped") co_return std::unexpected(token.error());
        co_return fail_at(where,
                          {.code = token && token->status < 500 ? Errc::unauthenticated : Errc::upstream_unavailable,
                           .message = token ? fmt::format("no token, status {}", token->status)
                                            : "there is no metadata service, and no other AWS credentials are set up"});
    }
    const auto get = [&](std::string_view path) {
        http::ClientRequest request{
            .url = with_path(*base_url, path), .method = "GET", .connect_limit = instance_limit};
        request.headers.add("X-aws-ec2-metadata-token", token->body);
        return request;
    };
    constexpr std::string_view folder = "/latest/meta-data/iam/security-credentials/";
    Result<Answer> roles = co_await ask(get(folder), instance_limit, call);
    if (!roles) co_return fail_at(where, std::move(roles.error()));
    const std::string role = roles->body.substr(0, roles->body.find('\n'));
    if (roles->status != 200 || role.empty())
        co_return fail_at(where, {.code = Errc::unauthenticated, .message = "the instance has no role"});
    Result<Answer> answer = co_await ask(get(std::string(folder) + http::percent_encode(role)), instance_limit, call);
    if (!answer) co_return fail_at(where, std::move(answer.error()));
    Result<Credentials> lent = parse_lent_credentials(answer->body);
    if (lent && answer->status == 200) co_return lent;
    co_return fail_at(where, {.code = answer->status >= 500 ? Errc::upstream_unavailable : Errc::unauthenticated,
                              .message = fmt::format("status {}{}", answer->status,
                                                     lent ? std::string() : ", " + lent.error().message)});
}

Task<Result<Credentials>> CredentialChain::ask_sts(std::string form, const Credentials* signer,
                                                   const Call& call) const {
    const std::string region = find_region(environment_, call.profiles);
    if (!is_region(region)) co_return base::fail(Errc::unauthenticated, "the AWS region is malformed");
    const Result<http::Url> url = http::parse_url(service_url(environment_, "sts", region));
    if (!url) co_return fail_at("the address of AWS STS", url.error());
    http::ClientRequest request{.url = *url, .body = std::move(form)};
    request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    request.headers.add("Accept", "application/xml");
    if (signer) {
        const std::string host = url->authority();
        const http::Headers signature =
            sign_headers({.method = request.method,
                          .host = host,
                          .target = request.url.target,
                          .headers = request.headers,
                          .body = request.body},
                         *signer, {.region = region, .service = "sts", .wall_us = clock_.wall_us()});
        for (const auto& [name, value] : signature.fields()) request.headers.add(name, value);
    }
    Result<Answer> answer = co_await ask(std::move(request), sts_limit, call);
    if (!answer) co_return fail_at("AWS STS", std::move(answer.error()));
    if (answer->status != 200) {
        const bool may_heal = answer->status >= 500 || answer->status == 429;
        co_return fail_at("AWS STS",
                          {.code = may_heal ? Errc::upstream_unavailable : Errc::unauthenticated,
                           .message = fmt::format("status {}, {}", answer->status, parse_sts_error(answer->body))});
    }
    Result<Credentials> lent = parse_sts_answer(answer->body);
    if (!lent) co_return fail_at("the answer of AWS STS", std::move(lent.error()));
    co_return lent;
}

Task<Result<CredentialChain::Answer>> CredentialChain::ask(http::ClientRequest request, base::Milliseconds limit,
                                                           const Call& call) const {
    const base::Deadline deadline = call.deadline.earlier(base::Deadline::after(limit));
    Result<std::unique_ptr<http::ClientResponse>> response =
        co_await client_.send(std::move(request), call.stop, deadline);
    if (!response) co_return std::unexpected(std::move(response.error()));
    Answer answer{.status = (*response)->status};
    for (;;) {
        const Result<std::string_view> bytes = co_await (*response)->read(deadline);
        if (!bytes) co_return std::unexpected(bytes.error());
        if (bytes->empty()) co_return answer;
        if (answer.body.size() + bytes->size() > max_document)
            co_return base::fail(Errc::upstream_unavailable, "the answer is too large");
        answer.body += *bytes;
    }
}

std::string CredentialChain::session_name(std::string_view given) const {
    return given.empty() ? fmt::format("tertulia-{}", clock_.wall_us() / 1'000'000) : std::string(given);
}

}  // namespace tertulia::aws
