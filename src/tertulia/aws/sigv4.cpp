#include "tertulia/aws/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/crypto.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/percent.h"

namespace tertulia::aws {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

// 20150830T123600Z
std::string format_time(std::int64_t wall_us) {
    std::string text = base::format_timestamp(wall_us).substr(0, std::string_view("2015-08-30T12:36:00").size());
    std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
    return text + 'Z';
}

bool is_signed(std::string_view name) {
    constexpr auto never = std::to_array<std::string_view>(
        {"authorization", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
         "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"});
    return std::ranges::find(never, name) == never.end();
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = http::to_lower(c);
    return out;
}

// Without white space at the ends, and with one space where there is more of it between.
std::string squeeze(std::string_view value) {
    constexpr std::string_view white = " \t\r\n";
    std::string out;
    for (const char c : value) {
        if (white.find(c) == std::string_view::npos)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

std::string normalize(std::string_view path) {
    std::vector<std::string_view> kept;
    bool ends_with_slash = false;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view segment = path.substr(at, end - at);
        ends_with_slash = end < path.size() || segment == "." || segment == "..";
        if (segment == "..") {
            if (!kept.empty()) kept.pop_back();
        } else if (!segment.empty() && segment != ".") {
            kept.push_back(segment);
        }
        at = end + 1;
    }
    std::string out;
    for (const std::string_view segment : kept) (out += '/') += segment;
    if (ends_with_slash || kept.empty()) out += '/';
    return out;
}

std::string canonical_path(std::string_view path, const SigningRules& rules) {
    std::string canonical = rules.normalize_path ? normalize(path) : std::string(path);
    if (!rules.encode_path_twice) canonical = http::percent_decode(canonical).value_or(canonical);
    return http::percent_encode(canonical, "/");
}

Pairs parse_query(std::string_view query) {
    const auto encode = [](std::string_view text) {
        return http::percent_encode(http::percent_decode(text).value_or(std::string(text)));
    };
    Pairs parameters;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view parameter = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (parameter.empty()) continue;
        const std::size_t equals = std::min(parameter.find('='), parameter.size());
        parameters.emplace_back(encode(parameter.substr(0, equals)),
                                encode(parameter.substr(std::min(equals + 1, parameter.size()))));
    }
    return parameters;
}

// The fields to sign by name, each with all its values.
Pairs canonical_fields(const http::Headers& headers, const Pairs& more) {
    Pairs fields;
    const auto add = [&](std::string_view name, std::string_view value) {
        const std::string key = lower(name);
        if (!is_signed(key)) return;
        const auto found = std::ranges::find(fields, key, &Pairs::value_type::first);
        if (found == fields.end())
            fields.emplace_back(key, squeeze(value));
        else
            (found->second += ',') += squeeze(value);
    };
    for (const auto& [name, value] : more) add(name, value);
    for (const auto& [name, value] : headers.fields()) add(name, value);
    std::ranges::sort(fields);
    return fields;
}

std::string join_names(const Pairs& fields) {
    std::string names;
    for (const auto& [name, value] : fields) {
        if (!names.empty()) names += ';';
        names += name;
    }
    return names;
}

std::string join_query(Pairs parameters) {
    std::ranges::sort(parameters);
    std::string query;
    for (const auto& [name, value] : parameters) {
        if (!query.empty()) query += '&';
        ((query += name) += '=') += value;
    }
    return query;
}

struct Target {
    std::string_view path, query;
};

Target split(std::string_view target) {
    const std::size_t question = std::min(target.find('?'), target.size());
    return {target.substr(0, question), target.substr(std::min(question + 1, target.size()))};
}

std::string scope_text(const SigningScope& scope, std::string_view time) {
    return fmt::format("{}/{}/{}/aws4_request", time.substr(0, 8), scope.region, scope.service);
}

Signature sign(const RequestToSign& request, const Credentials& credentials, const SigningScope& scope,
               const SigningRules& rules, const Pairs& fields, Pairs parameters, std::string_view body_hash) {
    const std::string time = format_time(scope.wall_us);
    Signature signature;
    std::string& canonical = signature.canonical_request;
    canonical = fmt::format("{}\n{}\n{}\n", request.method, canonical_path(split(request.target).path, rules),
                            join_query(std::move(parameters)));
    for (const auto& [name, value] : fields) canonical += fmt::format("{}:{}\n", name, value);
    canonical += fmt::format("\n{}\n{}", join_names(fields), body_hash);
    signature.string_to_sign = fmt::format("{}\n{}\n{}\n{}", algorithm, time, scope_text(scope, time),
                                           base::sha256_hex(signature.canonical_request));

    std::string key = base::hmac_sha256("AWS4" + credentials.secret_access_key.reveal(), time.substr(0, 8));
    for (const std::string_view part :
         {std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")})
        key = base::hmac_sha256(key, part);
    signature.hex = base::to_hex(base::hmac_sha256(key, signature.string_to_sign));
    return signature;
}

}  // namespace

http::Headers sign_headers(const RequestToSign& request, const Credentials& credentials, const SigningScope& scope,
                           const SigningRules& rules, Signature* signature) {
    const std::string time = format_time(scope.wall_us);
    const std::string body_hash = base::sha256_hex(request.body);
    Pairs added{{"X-Amz-Date", time}};
    if (rules.add_body_hash) added.emplace_back("x-amz-content-sha256", body_hash);
    const std::pair<std::string, std::string> token{"X-Amz-Security-Token", credentials.session_token.reveal()};
    if (!token.second.empty() && rules.sign_token) added.push_back(token);

    Pairs to_sign = added;
    to_sign.emplace_back("host", request.host);
    const Pairs fields = canonical_fields(request.headers, to_sign);
    Signature made =
        sign(request, credentials, scope, rules, fields, parse_query(split(request.target).query), body_hash);

    if (!token.second.empty() && !rules.sign_token) added.push_back(token);
    added.emplace_back("Authorization",
                       fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", algorithm,
                                   credentials.access_key_id, scope_text(scope, time), join_names(fields), made.hex));
    if (signature) *signature = std::move(made);
    http::Headers headers;
    for (auto& [name, value] : added) headers.add(std::move(name), std::move(value));
    return headers;
}

std::string sign_query(const RequestToSign& request, const Credentials& credentials, const SigningScope& scope,
                       std::chrono::seconds lifetime, const SigningRules& rules, Signature* signature) {
    const std::string time = format_time(scope.wall_us);
    const Pairs fields = canonical_fields(request.headers, {{"host", std::string(request.host)}});
    Pairs added{{"X-Amz-Algorithm", std::string(algorithm)},
                {"X-Amz-Credential", http::percent_encode(credentials.access_key_id + '/' + scope_text(scope, time))},
                {"X-Amz-Date", time},
                {"X-Amz-SignedHeaders", http::percent_encode(join_names(fields))},
                {"X-Amz-Expires", std::to_string(lifetime.count())}};
    const std::pair<std::string, std::string> token{"X-Amz-Security-Token",
                                                    http::percent_encode(credentials.session_token.reveal())};
    if (!token.second.empty() && rules.sign_token) added.push_back(token);

    Pairs parameters = parse_query(split(request.target).query);
    parameters.insert(parameters.end(), added.begin(), added.end());
    Signature made =
        sign(request, credentials, scope, rules, fields, std::move(parameters), base::sha256_hex(request.body));

    if (!token.second.empty() && !rules.sign_token) added.push_back(token);
    added.emplace_back("X-Amz-Signature", made.hex);
    if (signature) *signature = std::move(made);
    std::string target(request.target);
    for (const auto& [name, value] : added) {
        target += target.find('?') == std::string::npos ? '?' : '&';
        ((target += name) += '=') += value;
    }
    return target;
}

}  // namespace tertulia::aws
