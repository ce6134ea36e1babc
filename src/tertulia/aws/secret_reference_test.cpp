#include "tertulia/aws/secret_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::aws {
namespace {

using Kind = SecretReference::Kind;

const SecretReference secret{.kind = Kind::secret, .id = "prod/keys"};
const SecretReference parameter{.kind = Kind::parameter, .id = "/prod/key"};

TEST(SecretReference, has_two_forms) {
    EXPECT_EQ(parse_secret_reference("secret:prod/keys"), secret);
    EXPECT_EQ(parse_secret_reference("parameter:/prod/key"), parameter);
    EXPECT_EQ(to_string(secret), "secret:prod/keys");
    EXPECT_EQ(to_string(parameter), "parameter:/prod/key");
    for (const char* none : {"", "secret:", "parameter:", "sk-ant-secret:x", "env:X", "file:/x"})
        EXPECT_FALSE(parse_secret_reference(none)) << none;
}

TEST(SecretReference, an_arn_says_where_it_is) {
    const std::string arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/keys-AbCdEf";
    EXPECT_EQ(parse_secret_reference("secret:" + arn)->id, arn);
    EXPECT_EQ(region_of(*parse_secret_reference("secret:" + arn), "us-east-1"), "eu-west-1");
    EXPECT_EQ(region_of(secret, "us-east-1"), "us-east-1");
    EXPECT_EQ(region_of({.kind = Kind::parameter, .id = "a:b:c:d:e"}, "us-east-1"), "us-east-1");
}

TEST(SecretReference, requests) {
    const ServiceRequest of_secret = secret_request(secret);
    EXPECT_EQ(of_secret.body, R"({"SecretId":"prod/keys"})");
    EXPECT_EQ(of_secret.headers.get("X-Amz-Target"), "secretsmanager.GetSecretValue");
    EXPECT_EQ(of_secret.headers.get("Content-Type"), "application/x-amz-json-1.1");
    const ServiceRequest of_parameter = secret_request(parameter);
    EXPECT_EQ(of_parameter.body, R"({"Name":"/prod/key","WithDecryption":true})");
    EXPECT_EQ(of_parameter.headers.get("X-Amz-Target"), "AmazonSSM.GetParameter");
}

TEST(SecretReference, answers) {
    const auto read = [](const SecretReference& reference, std::string_view body) {
        const auto got = read_secret_answer(reference, body, "ANTHROPIC_API_KEY");
        return got ? got->reveal() : "error: " + got.error().message;
    };
    EXPECT_EQ(read(secret, R"({"ARN":"a","Name":"prod/keys","SecretString":"sk-1"})"), "sk-1");
    EXPECT_EQ(read(secret, R"({"SecretString":" sk-1\r\n"})"), "sk-1");
    EXPECT_EQ(read(secret, R"({"SecretBinary":"c2stMg=="})"), "sk-2");
    EXPECT_EQ(read(secret, R"({"SecretString":"{\"other\":\"no\",\"ANTHROPIC_API_KEY\":\"sk-3\"}"})"), "sk-3");
    EXPECT_EQ(read(secret, R"({"SecretString":"{\"other\":\"no\",\"api_key\":\"sk-4\"}"})"), "sk-4");
    EXPECT_EQ(read(secret, R"({"SecretString":"{\"only\":\"sk-5\"}"})"), "sk-5");
    EXPECT_EQ(read(parameter, R"({"Parameter":{"Name":"/prod/key","Type":"SecureString","Value":"sk-6"}})"), "sk-6");
    EXPECT_EQ(read(parameter, R"({"Parameter":{"Value":"{\"ANTHROPIC_API_KEY\":\"sk-7\"}"}})"), "sk-7");
}

TEST(SecretReference, what_is_no_key_is_told_without_it) {
    for (const char* wrong :
         {"", "no json", "[]", "{}", R"({"SecretString":7})", R"({"SecretString":""})", R"({"SecretString":"  "})",
          R"({"SecretString":"{\"a\":\"hush\",\"b\":\"hush\"}"})", R"({"SecretString":"{hush"})",
          R"({"SecretString":"{\"ANTHROPIC_API_KEY\":7}"})", R"({"SecretString":"hush hush"})",
          R"({"SecretString":"hush\nhush"})", R"({"SecretBinary":"?"})", R"({"SecretString":"{\"a\":\"\"}"})"}) {
        const auto got = read_secret_answer(secret, wrong, "ANTHROPIC_API_KEY");
        ASSERT_FALSE(got) << wrong;
        EXPECT_EQ(got.error().code, base::Errc::upstream_rejected) << wrong;
        EXPECT_THAT(got.error().message, testing::HasSubstr("secret:prod/keys"));
        EXPECT_THAT(got.error().message, testing::Not(testing::HasSubstr("hush")));
    }
    EXPECT_FALSE(read_secret_answer(parameter, R"({"Parameter":{}})", "X"));
    EXPECT_FALSE(read_secret_answer(parameter, R"({"Parameter":"sk-1"})", "X"));
    EXPECT_FALSE(read_secret_answer(parameter, R"({"SecretString":"sk-1"})", "X"));
}

}  // namespace
}  // namespace tertulia::aws
