#include "tertulia/aws/credential_chain.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "support/manual_clock.h"
#include "support/scripted_server.h"
#include "support/temporary_folder.h"
#include "tertulia/async/worker.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using base::Environment;
using base::Errc;
using base::Result;
using support::ScriptedServer;

ScriptedServer::Answer reply(int status, std::string_view body, bool close = false) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size());
    text += "\r\n\r\n";
    text += body;
    return {.pieces = {text}, .close = close};
}

std::string origin(const ScriptedServer& server) {
    return "http://" + server.url().authority();
}

constexpr std::string_view lent = R"({"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"SECRET","Token":"TOKEN",
                                      "Expiration":"2026-01-02T03:04:05Z"})";
constexpr std::string_view sts_answer =
    "<R><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey>"
    "<SessionToken>TOKEN</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration></Credentials></R>";

class CredentialChainTest : public testing::Test {
  protected:
    CredentialChainTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        client_.emplace(worker_.executor());
        worker_.start("test");
    }
    ~CredentialChainTest() override {
        worker_.run_until_done([](CredentialChainTest* self) -> async::Task<void> {
            self->client_.reset();
            co_return;
        }(this));
        worker_.join();
    }

    Result<Credentials> fetch(Environment environment, std::stop_token stop = {}) {
        environment.emplace("HOME", folder_ / "");
        environment.emplace("PATH", "/usr/bin:/bin");
        CredentialChain chain(*client_, clock_, std::move(environment));
        Result<Credentials> result = base::fail(Errc::internal, "not asked");
        worker_.run_until_done(
            [](const CredentialChain& chain, std::stop_token stop, Result<Credentials>& result) -> async::Task<void> {
                result = co_await chain.fetch(std::move(stop), base::Deadline::after(20s));
            }(chain, std::move(stop), result));
        return result;
    }

    std::string write(const std::string& name, std::string_view text) {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }

    tests::TemporaryFolder folder_;
    test::ManualClock clock_;
    async::Worker worker_;
    std::optional<http::Client> client_;
};

void expect_lent(const Result<Credentials>& result) {
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->access_key_id, "ASIA");
    EXPECT_EQ(result->secret_access_key.reveal(), "SECRET");
    EXPECT_EQ(result->session_token.reveal(), "TOKEN");
    EXPECT_EQ(result->expires_us, 1'767'323'045'000'000);
}

TEST(CredentialSource, IsTheFirstThatIsSetUp) {
    const Profiles profiles{{"default", {{"aws_access_key_id", "A"}}}, {"plain", {{"region", "r"}}}};
    Environment all{{"AWS_ACCESS_KEY_ID", "A"},
                    {"AWS_SECRET_ACCESS_KEY", "S"},
                    {"AWS_WEB_IDENTITY_TOKEN_FILE", "f"},
                    {"AWS_ROLE_ARN", "r"},
                    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}};
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::environment);
    all["AWS_SECRET_ACCESS_KEY"] = "";
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::web_identity);
    all["AWS_ROLE_ARN"] = "";
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::profile);
    all["AWS_PROFILE"] = "plain";
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::container);
    all["AWS_PROFILE"] = "nobody";
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::profile) << "asked for by name";
    EXPECT_EQ(find_credential_source(all, profiles), CredentialSource::profile);
    EXPECT_EQ(find_credential_source({}, {}), CredentialSource::instance);
    EXPECT_EQ(find_credential_source({{"AWS_EC2_METADATA_DISABLED", "True"}}, {}), std::nullopt);
}

TEST_F(CredentialChainTest, TakesTheEnvironments) {
    const auto with_token =
        fetch({{"AWS_ACCESS_KEY_ID", "AKID"}, {"AWS_SECRET_ACCESS_KEY", "S"}, {"AWS_SESSION_TOKEN", "T"}});
    ASSERT_TRUE(with_token);
    EXPECT_EQ(with_token->access_key_id, "AKID");
    EXPECT_EQ(with_token->session_token.reveal(), "T");
    EXPECT_FALSE(with_token->expires_us);
    const auto without =
        fetch({{"AWS_ACCESS_KEY_ID", "AKID"}, {"AWS_SECRET_ACCESS_KEY", "S"}, {"AWS_SESSION_TOKEN", ""}});
    EXPECT_TRUE(without->session_token.empty());
}

TEST_F(CredentialChainTest, ExchangesAWebIdentityAtSts) {
    ScriptedServer sts({reply(200, sts_answer)});
    expect_lent(fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", write("token", "header.payload.sig+/\n")},
                       {"AWS_ROLE_ARN", "arn:aws:iam::1:role/x"},
                       {"AWS_ROLE_SESSION_NAME", "me"},
                       {"AWS_ENDPOINT_URL_STS", origin(sts)}}));
    const std::string& request = sts.requests().at(0);
    EXPECT_TRUE(request.starts_with("POST / HTTP/1.1\r\n")) << request;
    EXPECT_TRUE(
        request.ends_with("\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%"
                          "3A1%3Arole%2Fx&RoleSessionName=me&WebIdentityToken=header.payload.sig%2B%2F"))
        << request;
    EXPECT_EQ(request.find("Authorization"), std::string::npos) << "the token is what signs it";
}

TEST_F(CredentialChainTest, SaysWhyStsRefuses) {
    const std::string token = write("token", "t");
    for (const auto& [status, code] :
         {std::pair(403, Errc::unauthenticated), std::pair(503, Errc::upstream_unavailable)}) {
        ScriptedServer sts(
            {reply(status, "<E><Error><Code>ExpiredTokenException</Code><Message>old</Message></Error></E>")});
        const auto refused =
            fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", token}, {"AWS_ROLE_ARN", "r"}, {"AWS_ENDPOINT_URL", origin(sts)}});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, code);
        EXPECT_EQ(refused.error().message,
                  "AWS STS: status " + std::to_string(status) + ", ExpiredTokenException: old");
    }
    const auto no_file = fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", folder_ / "none"}, {"AWS_ROLE_ARN", "r"}});
    EXPECT_EQ(no_file.error().code, Errc::unauthenticated);
}

TEST_F(CredentialChainTest, TakesKeysOfAProfile) {
    const std::string file = write("credentials",
                                   "[default]\naws_access_key_id=D\naws_secret_access_key=S\n"
                                   "[dev]\naws_access_key_id=E\naws_secret_access_key=S\n"
                                   "aws_session_token=T\n[half]\naws_access_key_id=E\n");
    const Environment environment{{"AWS_SHARED_CREDENTIALS_FILE", file}, {"AWS_CONFIG_FILE", folder_ / "none"}};
    const auto with = [&](const std::string& profile) {
        Environment more = environment;
        more["AWS_PROFILE"] = profile;
        return fetch(more);
    };
    EXPECT_EQ(fetch(environment)->access_key_id, "D");
    EXPECT_EQ(with("dev")->session_token.reveal(), "T");
    EXPECT_EQ(with("half").error().message, "AWS profile half: aws_secret_access_key is missing");
    EXPECT_EQ(with("nobody").error().message, "AWS profile nobody: there is no such profile");
}

TEST_F(CredentialChainTest, RunsACredentialProcess) {
    const std::string output =
        R"({"Version":1,"AccessKeyId":"ASIA","SecretAccessKey":"SECRET","SessionToken":"TOKEN","Expiration":"2026-01-02T03:04:05Z"})";
    const std::string config =
        write("config", "[default]\ncredential_process = cat " + write("output", output) +
                            "\n[profile bad]\ncredential_process = echo SECRET\n"
                            "[profile failing]\ncredential_process = exit 7\n"
                            "[profile sso]\nsso_session = x\n[profile slow]\ncredential_process = sleep 1000\n");
    const Environment environment{{"AWS_CONFIG_FILE", config}};
    const auto with = [&](const std::string& profile, std::stop_token stop = {}) {
        Environment more = environment;
        more["AWS_PROFILE"] = profile;
        return fetch(more, std::move(stop));
    };
    expect_lent(fetch(environment));
    EXPECT_EQ(with("bad").error().message, "AWS profile bad, credential_process: it is not a JSON object");
    EXPECT_EQ(with("failing").error().message, "AWS profile failing, credential_process: it ended with status 7");
    EXPECT_NE(with("sso").error().message.find("SSO"), std::string::npos);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(with("slow", stop.get_token()).error().message, "stopped");
}

TEST_F(CredentialChainTest, TakesOnTheRoleOfAProfile) {
    ScriptedServer sts({reply(200, sts_answer)});
    const std::string config = write("config",
                                     "[profile base]\naws_access_key_id=AKID\naws_secret_access_key=S\n"
                                     "[profile role]\nrole_arn=arn:r\nsource_profile=base\nexternal_id=e x\n"
                                     "region=eu-west-1\n"
                                     "[profile loop]\nrole_arn=arn:r\nsource_profile=loop2\n"
                                     "[profile loop2]\nrole_arn=arn:r\nsource_profile=loop\n"
                                     "[profile alone]\nrole_arn=arn:r\n");
    const auto with = [&](const std::string& profile) {
        return fetch({{"AWS_CONFIG_FILE", config}, {"AWS_PROFILE", profile}, {"AWS_ENDPOINT_URL_STS", origin(sts)}});
    };
    expect_lent(with("role"));
    const std::string& request = sts.requests().at(0);
    EXPECT_NE(request.find("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Ar&RoleSessionName=tertulia-1732271400&"
                           "ExternalId=e%20x"),
              std::string::npos)
        << request;
    EXPECT_NE(request.find("Credential=AKID/20241122/eu-west-1/sts/aws4_request"), std::string::npos) << request;
    EXPECT_NE(with("loop").error().message.find("too often"), std::string::npos);
    EXPECT_NE(with("alone").error().message.find("role_arn needs"), std::string::npos);
}

TEST_F(CredentialChainTest, AsksTheContainersAgent) {
    ScriptedServer agent({reply(200, lent), reply(200, lent), reply(400, R"({"code":"NoIdProvided","message":"m"})"),
                          reply(500, "oops")});
    const std::string url = origin(agent) + "/v1/credentials";
    const std::string file = write("token", "Bearer first\n");
    const Environment environment{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url},
                                  {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "plain"},
                                  {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file}};
    expect_lent(fetch(environment));
    write("token", "Bearer second\n");
    expect_lent(fetch(environment));
    EXPECT_EQ(fetch(environment).error().message, "the container's AWS credentials: status 400, NoIdProvided: m");
    EXPECT_EQ(fetch(environment).error().code, Errc::upstream_unavailable);
    EXPECT_TRUE(agent.requests().at(0).starts_with("GET /v1/credentials HTTP/1.1\r\n"));
    EXPECT_NE(agent.requests().at(0).find("Authorization: Bearer first\r\n"), std::string::npos);
    EXPECT_NE(agent.requests().at(1).find("Authorization: Bearer second\r\n"), std::string::npos) << "read anew";
    EXPECT_EQ(fetch({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/"}}).error().code, Errc::forbidden);
}

TEST_F(CredentialChainTest, AsksTheInstancesMetadataService) {
    ScriptedServer imds({reply(200, "METADATATOKEN"), reply(200, "my-role\n"), reply(200, lent)});
    expect_lent(fetch({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", origin(imds) + "/"}}));
    const auto& requests = imds.requests();
    EXPECT_TRUE(requests.at(0).starts_with("PUT /latest/api/token HTTP/1.1\r\n")) << requests.at(0);
    EXPECT_NE(requests.at(0).find("X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"), std::string::npos);
    EXPECT_TRUE(requests.at(1).starts_with("GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
    EXPECT_TRUE(requests.at(2).starts_with("GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1\r\n"));
    for (const std::size_t number : {1, 2})
        EXPECT_NE(requests.at(number).find("X-aws-ec2-metadata-token: METADATATOKEN\r\n"), std::string::npos);
}

TEST_F(CredentialChainTest, SaysWhatIsWrongWithTheInstance) {
    struct Case {
        std::vector<ScriptedServer::Answer> answers;
        Errc code;
        std::string message;
    };
    const Case cases[] = {
        {{reply(403, "")}, Errc::unauthenticated, "no token, status 403"},
        {{reply(200, "T"), reply(404, "not found")}, Errc::unauthenticated, "the instance has no role"},
        {{reply(200, "T"), reply(200, "r"), reply(200, R"({"Code":"Failed","Message":"m"})")},
         Errc::unauthenticated,
         "status 200, Failed: m"},
        {{reply(200, "T"), reply(200, "r"), reply(503, "")}, Errc::upstream_unavailable, "status 503"},
        {{reply(200, std::string(100'000, 'x'))}, Errc::upstream_unavailable, "there is no metadata service"},
    };
    for (const Case& c : cases) {
        ScriptedServer imds(c.answers);
        const auto failed = fetch({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", origin(imds)}});
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().code, c.code) << c.message;
        EXPECT_NE(failed.error().message.find(c.message), std::string::npos) << failed.error().message;
    }
    EXPECT_EQ(fetch({{"AWS_EC2_METADATA_DISABLED", "true"}}).error().code, Errc::unauthenticated);
    EXPECT_NE(fetch({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}})
                  .error()
                  .message.find("no other AWS credentials are set up"),
              std::string::npos);
}

}  // namespace
}  // namespace tertulia::aws
