#include "tertulia/aws/credential_documents.h"

#include <gtest/gtest.h>

namespace tertulia::aws {
namespace {

using base::Errc;

constexpr std::int64_t moment_us = 1'767'323'045'000'000;  // 2026-01-02T03:04:05Z

TEST(AwsCredentialDocuments, ReadsAProcessOutput) {
    const auto whole = parse_process_output(
        R"({"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "SECRET", "SessionToken": "TOKEN",
            "Expiration": "2026-01-02T03:04:05Z"})");
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->access_key_id, "AKID");
    EXPECT_EQ(whole->secret_access_key.reveal(), "SECRET");
    EXPECT_EQ(whole->session_token.reveal(), "TOKEN");
    EXPECT_EQ(whole->expires_us, moment_us);
    const auto least = parse_process_output(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"S"})");
    ASSERT_TRUE(least);
    EXPECT_TRUE(least->session_token.empty());
    EXPECT_FALSE(least->expires_us);
}

TEST(AwsCredentialDocuments, RefusesWhatIsNoProcessOutputAndRepeatsNothingOfIt) {
    for (const std::string_view text :
         {"", "SECRET", "[]", R"({"AccessKeyId":"A","SecretAccessKey":"SECRET"})",
          R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"SECRET"})",
          R"({"Version":1,"SecretAccessKey":"SECRET"})", R"({"Version":1,"AccessKeyId":"A"})",
          R"({"Version":1,"AccessKeyId":5,"SecretAccessKey":"SECRET"})",
          R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"SECRET","Expiration":"SECRET"})"}) {
        const auto read = parse_process_output(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, Errc::unauthenticated);
        EXPECT_EQ(read.error().message.find("SECRET"), std::string::npos);
    }
}

TEST(AwsCredentialDocuments, ReadsWhatContainersAndInstancesLend) {
    const auto instance = parse_lent_credentials(
        R"({"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"AKID",
            "SecretAccessKey":"SECRET","Token":"TOKEN","Expiration":"2026-01-02T03:04:05Z"})");
    ASSERT_TRUE(instance);
    EXPECT_EQ(instance->session_token.reveal(), "TOKEN");
    EXPECT_EQ(instance->expires_us, moment_us);
    EXPECT_TRUE(parse_lent_credentials(R"({"RoleArn":"r","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",
                                           "Expiration":"2026-01-02T03:04:05Z"})"));
    const auto failed = parse_lent_credentials(R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"no\nway"})");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "AssumeRoleUnauthorizedAccess: no way");
    EXPECT_EQ(parse_lent_credentials(R"({"code":"NoIdProvided","message":"m"})").error().message, "NoIdProvided: m");
}

TEST(AwsCredentialDocuments, ReadsAnswersOfSts) {
    const auto read = parse_sts_answer(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
        "  <AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>\n"
        "    <Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>a&amp;b/c&lt;</SecretAccessKey>\n"
        "      <SessionToken>TOKEN==</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration></Credentials>\n"
        "  </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->access_key_id, "ASIA");
    EXPECT_EQ(read->secret_access_key.reveal(), "a&b/c<");
    EXPECT_EQ(read->session_token.reveal(), "TOKEN==");
    EXPECT_EQ(read->expires_us, moment_us);
    for (const std::string_view xml :
         {"", "<Credentials>", "<Credentials><AccessKeyId>A</AccessKeyId></Credentials>",
          "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>&x;</SecretAccessKey><SessionToken>T</"
          "SessionToken>"
          "<Expiration>2026-01-02T03:04:05Z</Expiration></Credentials>",
          "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>"
          "<Expiration>2026-01-02T03:04:05Z</Expiration>",
          "<Credentials><AccessKeyId><b/>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</"
          "SessionToken>"
          "<Expiration>2026-01-02T03:04:05Z</Expiration></Credentials>"})
        EXPECT_FALSE(parse_sts_answer(xml)) << xml;
}

TEST(AwsCredentialDocuments, QuotesErrorsOfSts) {
    EXPECT_EQ(parse_sts_error("<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>Token "
                              "expired</Message></Error><RequestId>r</RequestId></ErrorResponse>"),
              "ExpiredToken: Token expired");
    EXPECT_EQ(parse_sts_error("<html>"), "");
}

TEST(AwsCredentialDocuments, OnlySafeAddressesOfContainersAreAsked) {
    const auto full = [](std::string_view url) {
        return container_url({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", std::string(url)}});
    };
    for (const std::string_view url : {"https://example.com/x", "http://localhost/x", "http://127.0.0.1:8080/x",
                                       "http://127.9.9.9/", "http://[::1]/x", "http://169.254.170.2/x",
                                       "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"})
        EXPECT_TRUE(full(url).value()) << url;
    for (const std::string_view url :
         {"http://example.com/", "http://169.254.169.254/", "http://127.evil.com/", "http://127.0.0.1.evil.com/",
          "http://10.0.0.1/", "ftp://127.0.0.1/", "/x", "http://[fd00:ec2::24]/", "http://2130706433/"}) {
        const auto refused = full(url);
        ASSERT_FALSE(refused) << url;
        EXPECT_EQ(refused.error().code, Errc::forbidden);
    }
    const auto relative = container_url({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x?y"},
                                         {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/"}});
    EXPECT_EQ(relative.value()->host, "169.254.170.2");
    EXPECT_EQ(relative.value()->target, "/v2/x?y");
    EXPECT_FALSE(container_url({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.com/"}}));
    EXPECT_FALSE(container_url({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.com/"}}));
    EXPECT_FALSE(container_url({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", ""}}).value());
}

}  // namespace
}  // namespace tertulia::aws
