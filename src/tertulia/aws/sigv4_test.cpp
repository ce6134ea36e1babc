#include "tertulia/aws/sigv4.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <string>

#include "support/recordings.h"
#include "tertulia/http/ascii.h"

namespace tertulia::aws {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono;
using support::read_file;

constexpr std::string_view example_secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

// "2015-08-30T12:36:00Z" or "20150830T123600Z"
std::int64_t parse_time(std::string_view text) {
    std::string digits;
    for (const char c : text)
        if (c >= '0' && c <= '9') digits += c;
    const auto number = [&](std::size_t at, std::size_t size) { return std::stoi(digits.substr(at, size)); };
    const sys_days day(year(number(0, 4)) / number(4, 2) / number(6, 2));
    const auto time = day + hours(number(8, 2)) + minutes(number(10, 2)) + seconds(number(12, 2));
    return duration_cast<microseconds>(time.time_since_epoch()).count();
}

std::string without_end(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

/// A folder of the suite.
struct Vector {
    std::string method, target, host, body;
    http::Headers headers;
    Credentials credentials{.access_key_id = "AKIDEXAMPLE",
                            .secret_access_key = base::Secret(std::string(example_secret))};
    SigningScope scope{.region = "us-east-1", .service = "service", .wall_us = parse_time("20150830T123600Z")};
    SigningRules rules{.add_body_hash = false};
    seconds lifetime{0};

    RequestToSign request() const {
        return {.method = method, .host = host, .target = target, .headers = headers, .body = body};
    }
};

void read_request(const std::string& text, Vector& vector) {
    const std::size_t first = text.find('\n');
    const std::string line = text.substr(0, first);
    const std::size_t space = line.find(' ');
    vector.method = line.substr(0, space);
    vector.target = line.substr(space + 1, line.rfind(" HTTP/1.1") - space - 1);
    std::string name, value;
    const auto add = [&] {
        if (http::equal_ignoring_case(name, "host"))
            vector.host = value;
        else if (!name.empty() && !http::equal_ignoring_case(name, "x-amz-date"))
            vector.headers.add(name, value);
    };
    std::size_t at = first + 1;
    while (at < text.size() && text[at] != '\n') {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string field = text.substr(at, end - at);
        if (field.starts_with(' ')) {  // folded
            value += '\n' + field;
        } else {
            add();
            name = field.substr(0, field.find(':'));
            value = field.substr(field.find(':') + 1);
        }
        at = end + 1;
    }
    add();
    if (at < text.size()) vector.body = text.substr(at + 1);
}

Vector read_vector(const fs::path& folder) {
    Vector vector;
    read_request(read_file(folder / "request.txt"), vector);
    if (!fs::exists(folder / "context.json")) return vector;
    const auto context = boost::json::parse(read_file(folder / "context.json")).as_object();
    const auto& credentials = context.at("credentials").as_object();
    vector.credentials = {.access_key_id = credentials.at("access_key_id").as_string().c_str(),
                          .secret_access_key = base::Secret(credentials.at("secret_access_key").as_string().c_str())};
    if (const auto* token = credentials.if_contains("token"))
        vector.credentials.session_token = base::Secret(token->as_string().c_str());
    vector.scope = {.region = context.at("region").as_string().c_str(),
                    .service = context.at("service").as_string().c_str(),
                    .wall_us = parse_time(context.at("timestamp").as_string())};
    vector.lifetime = seconds(context.at("expiration_in_seconds").to_number<int>());
    const auto* omit = context.if_contains("omit_session_token");
    // The suite's own paths are as S3 has them.
    vector.rules = {.encode_path_twice = false,
                    .normalize_path = context.at("normalize").as_bool(),
                    .add_body_hash = context.at("sign_body").as_bool(),
                    .sign_token = !omit || !omit->as_bool()};
    return vector;
}

// Of a target, or of a whole request.
std::string query_of(const std::string& text) {
    const std::string line = text.substr(0, text.find('\n'));
    const std::size_t question = line.find('?');
    return line.substr(question, line.find(" HTTP/1.1", question) - question);
}

// A field of a whole request.
std::string field_of(const std::string& request, const std::string& name) {
    const std::size_t at = request.find('\n' + name + ':');
    if (at == std::string::npos) return {};
    const std::size_t from = at + name.size() + 2;
    return request.substr(from, request.find('\n', from) - from);
}

TEST(SigV4, SignsEveryVectorInItsHeaders) {
    TERTULIA_NEED_SHARED_DATA("sigv4");
    int count = 0;
    for (const auto& entry : fs::directory_iterator(support::shared_data() / "sigv4/v4")) {
        const fs::path& folder = entry.path();
        if (!fs::exists(folder / "context.json")) continue;
        ++count;
        const Vector vector = read_vector(folder);
        Signature signature;
        const http::Headers added =
            sign_headers(vector.request(), vector.credentials, vector.scope, vector.rules, &signature);
        EXPECT_EQ(signature.canonical_request, without_end(read_file(folder / "header-canonical-request.txt")))
            << folder;
        EXPECT_EQ(signature.string_to_sign, without_end(read_file(folder / "header-string-to-sign.txt"))) << folder;
        EXPECT_EQ(signature.hex, without_end(read_file(folder / "header-signature.txt"))) << folder;
        const std::string expected = read_file(folder / "header-signed-request.txt");
        for (const std::string name : {"X-Amz-Date", "X-Amz-Security-Token", "x-amz-content-sha256", "Authorization"})
            EXPECT_EQ(added.get(name), field_of(expected, name)) << folder << ' ' << name;
    }
    EXPECT_EQ(count, 38);
}

TEST(SigV4, SignsEveryVectorInItsQuery) {
    TERTULIA_NEED_SHARED_DATA("sigv4");
    int count = 0;
    for (const auto& entry : fs::directory_iterator(support::shared_data() / "sigv4/v4")) {
        const fs::path& folder = entry.path();
        if (!fs::exists(folder / "context.json")) continue;
        ++count;
        const Vector vector = read_vector(folder);
        Signature signature;
        const std::string target =
            sign_query(vector.request(), vector.credentials, vector.scope, vector.lifetime, vector.rules, &signature);
        EXPECT_EQ(signature.canonical_request, without_end(read_file(folder / "query-canonical-request.txt")))
            << folder;
        EXPECT_EQ(signature.string_to_sign, without_end(read_file(folder / "query-string-to-sign.txt"))) << folder;
        EXPECT_EQ(signature.hex, without_end(read_file(folder / "query-signature.txt"))) << folder;
        // Only the queries: one vector's signed request has a raw space in its path, which its request has not.
        EXPECT_EQ(query_of(target), query_of(read_file(folder / "query-signed-request.txt"))) << folder;
    }
    EXPECT_EQ(count, 38);
}

TEST(SigV4, EncodesThePathTwice) {
    TERTULIA_NEED_SHARED_DATA("sigv4");
    const fs::path suite = support::shared_data() / "sigv4/v4";
    for (const std::string_view name : {"double-encode-path", "double-url-encode"}) {
        Vector vector = read_vector(suite / name);
        vector.scope.wall_us = parse_time("20210511T154045Z");  // so their expectations have it
        if (name == "double-url-encode") {
            vector.scope.region = "us-east-2";
            vector.scope.service = "lambda";
        }
        Signature signature;
        const http::Headers added =
            sign_headers(vector.request(), vector.credentials, vector.scope, vector.rules, &signature);
        EXPECT_EQ(signature.canonical_request, without_end(read_file(suite / name / "header-canonical-request.txt")));
        if (name != "double-url-encode") continue;
        EXPECT_EQ(signature.string_to_sign, without_end(read_file(suite / name / "header-string-to-sign.txt")));
        EXPECT_EQ(' ' + std::string(added.get("authorization")),
                  field_of(read_file(suite / name / "header-signed-request.txt"), "Authorization"));
    }
}

// Made with @smithy/signature-v4 and, independently, from the specification.
TEST(SigV4, SignsACallOfBedrock) {
    http::Headers headers;
    headers.add("Content-Type", "application/json");
    headers.add("User-Agent", "is not signed");
    const RequestToSign request{.method = "POST",
                                .host = "bedrock-runtime.us-east-1.amazonaws.com",
                                .target = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/invoke",
                                .headers = headers,
                                .body = R"({"a":1})"};
    const Credentials credentials{.access_key_id = "AKIDEXAMPLE",
                                  .secret_access_key = base::Secret(std::string(example_secret)),
                                  .session_token = base::Secret("SESSION")};
    const SigningScope scope{.region = "us-east-1", .service = "bedrock", .wall_us = parse_time("20260102T030405Z")};
    const http::Headers added = sign_headers(request, credentials, scope);
    EXPECT_EQ(added.get("authorization"),
              "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
              "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
              "Signature=9bf331b2720bec2dff591062892b57ab8fed64f75b99531f05b2b08cf8579025");
    EXPECT_EQ(added.get("x-amz-date"), "20260102T030405Z");
    EXPECT_EQ(added.get("x-amz-security-token"), "SESSION");
}

// ElastiCache's login token; made with @smithy/signature-v4.
TEST(SigV4, PresignsALogin) {
    const http::Headers none;
    const RequestToSign request{.method = "GET",
                                .host = "my-cache",
                                .target = "/?Action=connect&User=iam-user-01&ResourceType=ServerlessCache",
                                .headers = none,
                                .body = ""};
    const Credentials credentials{.access_key_id = "AKIDEXAMPLE",
                                  .secret_access_key = base::Secret(std::string(example_secret)),
                                  .session_token = base::Secret("SES/SION=")};
    const SigningScope scope{
        .region = "us-east-1", .service = "elasticache", .wall_us = parse_time("20260102T030405Z")};
    const std::string target = sign_query(request, credentials, scope, 900s);
    EXPECT_TRUE(target.ends_with("&X-Amz-Signature=726c99ac0350800429155558e0c78439dcf9fa3bf550b3a4850fa6022372b805"))
        << target;
}

}  // namespace
}  // namespace tertulia::aws
