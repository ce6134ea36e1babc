#include "tertulia/app/config_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tertulia/app/billing_config.h"
#include "tertulia/app/config_keys.h"

namespace tertulia::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LoadConfig : public testing::Test {
  protected:
    LoadConfig() { std::filesystem::create_directories(folder_); }
    ~LoadConfig() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_ / name) << text;
        return (folder_ / name).string();
    }

    base::Result<LoadedConfig> load(const std::string& toml, const Environment& environment = {},
                                    std::vector<CommandLine::Value> values = {}) {
        return load_config({.config_file = write("t.toml", toml), .values = std::move(values)}, environment);
    }

    std::string refusal(const std::string& toml, const Environment& environment = {},
                        std::vector<CommandLine::Value> values = {}) {
        const auto loaded = load(toml, environment, std::move(values));
        return loaded ? "accepted" : loaded.error().message;
    }

    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("tertulia-config-test-" + std::to_string(getpid()));
};

TEST_F(LoadConfig, PricesAndBudgetsAreReadExactly) {
    const auto loaded = load(R"(
[[prices]]
model = "openai/my-model"
input = "3.00"
cache_read = "0.30"
output = "15.00"
[[prices]]
model = "a/b"
input = "1"
cache_write = "1.25"
output = "2"
[[budgets]]
owner = "*"
per = "day"
usd = "0.10"
[[budgets]]
session = "s"
per = "session"
usd = "2"
)");
    ASSERT_TRUE(loaded) << loaded.error().message;
    const telemetry::Log silent(telemetry::Level::off, telemetry::Log::Form::json);
    const auto prices = price_options(loaded->config, silent).configured;
    ASSERT_EQ(prices.size(), 2U);
    EXPECT_EQ(prices[0].first, "openai/my-model");
    EXPECT_EQ(prices[0].second, (billing::Price{.rates = {.input = 3'000'000,
                                                          .cache_read = 300'000,
                                                          .cache_write = 3'000'000,
                                                          .cache_write_long = 3'000'000,
                                                          .output = 15'000'000},
                                                .version = "configuration"}));
    EXPECT_EQ(prices[1].second.rates, (billing::Rates{.input = 1'000'000,
                                                      .cache_read = 1'000'000,
                                                      .cache_write = 1'250'000,
                                                      .cache_write_long = 1'250'000,
                                                      .output = 2'000'000}));
    const auto rules = budget_rules(loaded->config);
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[0].scope, billing::BudgetScope::owner);
    EXPECT_EQ(rules[0].name, "*");
    EXPECT_EQ(rules[0].period, billing::BudgetPeriod::day);
    EXPECT_EQ(rules[0].limit_nano, 100'000'000);
    EXPECT_EQ(rules[1].scope, billing::BudgetScope::session);
    EXPECT_EQ(rules[1].name, "s");
    EXPECT_EQ(rules[1].period, billing::BudgetPeriod::session);
    EXPECT_EQ(loaded->sources.at("budgets.2.usd").substr(0, 4), "file");
}

TEST_F(LoadConfig, WrongPricesAndBudgetsAreNamed) {
    const struct {
        const char* toml;
        const char* message;
    } table[] = {
        {"[[prices]]\ninput = \"1\"\noutput = \"1\"", "model must be set"},
        {"[[prices]]\nmodel = \"a/b\"\ninput = \"1\"", "prices.a/b.output must be set"},
        {"[[prices]]\nmodel = \"a/b\"\ninput = 1\noutput = \"1\"", "prices.a/b.input"},
        {"[[prices]]\nmodel = \"a/b\"\ninput = \"1e3\"\noutput = \"1\"", "dollars per million tokens"},
        {"[[prices]]\nmodel = \"b\"\ninput = \"1\"\noutput = \"1\"", "PROVIDER/MODEL"},
        {"[[prices]]\nmodel = \"a/b\"\ninput = \"1\"\noutput = \"1\"\ninptu = \"1\"", "did you mean \"input\"?"},
        {"[[prices]]\nmodel = \"a/b\"\ninput = \"1\"\noutput = \"1\"\n"
         "[[prices]]\nmodel = \"a/b\"\ninput = \"1\"\noutput = \"1\"",
         "two [[prices]] have the model \"a/b\""},
        {"[[budgets]]\nper = \"day\"\nusd = \"1\"", "owner or budgets.1.session must be set"},
        {"[[budgets]]\nowner = \"*\"\nsession = \"*\"\nper = \"day\"\nusd = \"1\"", "and not both"},
        {"[[budgets]]\nowner = \"*\"\nusd = \"1\"", "per must be set"},
        {"[[budgets]]\nowner = \"*\"\nper = \"year\"\nusd = \"1\"", "day, month or session"},
        {"[[budgets]]\nowner = \"*\"\nper = \"day\"\nusd = 1", "dollars as a text"},
        {"[budgets]\nowner = \"*\"", "[[budgets]]"},
    };
    for (const auto& row : table) EXPECT_THAT(refusal(row.toml), HasSubstr(row.message)) << row.toml;
}

TEST_F(LoadConfig, CommandLineBeatsEnvironmentBeatsFileBeatsDefault) {
    const auto loaded = load("max_tokens = 1\nsystem = \"file\"\nlisten = \"127.0.0.1:1\"\n[deadlines]\nturn_ms = 5\n",
                             {{"TERTULIA_LISTEN", "127.0.0.1:2"}, {"TERTULIA_SYSTEM", "environment"}},
                             {{"listen", "--listen", "127.0.0.1:3"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->config.listen, "127.0.0.1:3");
    EXPECT_EQ(loaded->config.system, "environment");
    EXPECT_EQ(loaded->config.max_tokens, 1);
    EXPECT_EQ(loaded->config.deadlines.turn, base::Milliseconds(5));
    EXPECT_EQ(loaded->config.deadlines.connect, base::Milliseconds(3000));
    EXPECT_EQ(loaded->sources.at("listen"), "command line --listen");
    EXPECT_EQ(loaded->sources.at("system"), "environment TERTULIA_SYSTEM");
    EXPECT_EQ(loaded->sources.at("max_tokens"), "file " + (folder_ / "t.toml").string() + ":1");
    EXPECT_EQ(loaded->sources.at("deadlines.connect_ms"), "default");
    EXPECT_GT(loaded->config.workers, 0);
    EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST_F(LoadConfig, EveryKeyHasAVariable) {
    for (const Key<Config>& key : config_keys()) {
        const std::string name = environment_name(key.path);
        const auto loaded = load("", {{name, "certainly not allowed \x01"}});
        Config config;
        const bool takes_any_text = (std::holds_alternative<std::string*>(key.slot(config)) && !key.valid) ||
                                    std::holds_alternative<base::Secret*>(key.slot(config)) ||
                                    std::holds_alternative<std::vector<std::string>*>(key.slot(config));
        EXPECT_EQ(loaded.has_value(), takes_any_text) << name;
        if (!loaded) EXPECT_THAT(loaded.error().message, HasSubstr("environment " + name));
    }
}

TEST_F(LoadConfig, RefusesUnknownKeysWithTheNearestKnownName) {
    const struct {
        const char *toml, *unknown, *nearest;
    } rows[] = {
        {"listn = \"x\"", "listn", "\"listen\""},
        {"[deadlines]\nfirst_token = 3", "deadlines.first_token", "deadlines.first_token_ms"},
        {"[deadline]\nconnect_ms = 3", "deadline.connect_ms", "deadlines.connect_ms"},
        {"[[providers]]\nname = \"a\"\nkind = \"openai-chat\"\nbaseurl = \"http://x\"", "baseurl", "\"base_url\""},
        {"[[providers]]\nname = \"a\"\nkind = \"openai-chat\"\n[providers.deadlines]\nfirst_token = 1",
         "deadlines.first_token", "\"deadlines.first_token_ms\""},
        {"[[models]]\nname = \"a/b\"\ncontext_windows = 5", "context_windows", "\"context_window\""},
        {"[[provider]]\nname = \"a\"", "provider", "\"providers\""},
    };
    for (const auto& row : rows) {
        const std::string message = refusal(row.toml);
        EXPECT_THAT(message, HasSubstr("unknown key")) << row.toml;
        EXPECT_THAT(message, HasSubstr(row.unknown)) << row.toml;
        EXPECT_THAT(message, HasSubstr(std::string("did you mean ") + (*row.nearest == '"' ? "" : "\"") + row.nearest));
    }
    EXPECT_THAT(refusal("\n\nxyzzy = 1"), HasSubstr("t.toml:3: unknown key \"xyzzy\""));
}

TEST_F(LoadConfig, RefusesValuesThatDoNotFit) {
    const struct {
        const char *toml, *part;
    } rows[] = {
        {"listen = 8080", "listen"},
        {"listen = \"8080\"", "must be HOST:PORT"},
        {"store = \"mysql:x\"", "must be sqlite:PATH, memory: or dynamodb:, not \"mysql:x\""},
        {"max_tokens = \"many\"", "must be a whole number from 1 to 10000000, not \"many\""},
        {"max_tokens = 0", "not 0"},
        {"max_tokens = 1.5", "must be a whole number from 1 to 10000000, not 1.5"},
        {"insecure = \"true\"", "must be true or false"},
        {"log_level = \"loud\"", "must be debug, info, warn, error or off"},
        {"cors_origins = \"*\"", "must be an array of strings"},
        {"cors_origins = [1]", "must be an array of strings"},
        {"deadlines = 3", "deadlines is a table"},
        {"[deadlines]\nconnect_ms = -1", "deadlines.connect_ms"},
        {"[[providers]]\nkind = \"openai-chat\"", "name must be set"},
        {"[[providers]]\nname = \"a\"", "kind must be set"},
        {"[[providers]]\nname = \"a\"\nkind = \"smoke-signals\"", "providers.a.kind"},
        {"[[providers]]\nname = \"a/b\"\nkind = \"openai-chat\"", "must be letters, digits and ._-"},
        {"[[providers]]\nname = \"a\"\nkind = \"openai-chat\"\nbase_url = \"ftp://x\"", "an http or https URL"},
        {"providers = 3", "list of tables"},
        {"[[models]]\nname = \"ab\"\ncontext_window = 1000", "PROVIDER/MODEL"},
        {"[local_model]\nbase_url = \"http://127.0.0.1:1/v1\"", "local_model.name must be set"},
        {"api_token = \"env:NOT_SET\"", "NOT_SET is not set"},
        {"api_token = \"file:/no/such/file\"", "cannot read a secret from the file /no/such/file"},
        {"[retry]\nattempts = 0", "retry.attempts"},
        {"[retry]\nbudget = 1.5", "a number from 0 to 1, not 1.5"},
        {"[retry]\nbudget = \"much\"", "a number from 0 to 1"},
        {"[[routes]]\nname = \"r\"", "targets must be set"},
        {"[[routes]]\nname = \"r\"\ntargets = [\"nobody/m\"]", "is not PROVIDER/MODEL with one of the providers"},
        {"[[routes]]\nname = \"r\"\ntargets = [\"m\"]", "is not PROVIDER/MODEL"},
        {"[[routes]]\nname = \"r\"\ntargets = []\nhedge = \"soon\"", "off, p95, or a time"},
        {"listen = ", "not TOML"},
    };
    for (const auto& row : rows) EXPECT_THAT(refusal(row.toml), HasSubstr(row.part)) << row.toml;
    EXPECT_THAT(
        refusal("[[providers]]\nname=\"a\"\nkind=\"openai-chat\"\n[[providers]]\nname=\"a\"\nkind=\"openai-chat\""),
        HasSubstr("two [[providers]] have the name"));
}

TEST_F(LoadConfig, AFileThatIsNamedMustBeThere) {
    const auto loaded = load_config({.config_file = "/no/such/file.toml"}, {});
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr("/no/such/file.toml"));
    EXPECT_FALSE(load_config({.config_file = "/"}, {})) << "a folder";
    EXPECT_FALSE(load_config({}, {{"TERTULIA_CONFIG", "/no/such/file.toml"}}));
    EXPECT_TRUE(load_config({}, {{"TERTULIA_CONFIG", write("empty.toml", "")}}));
}

TEST_F(LoadConfig, UnknownVariablesOnlyEarnAWarning) {
    const auto loaded = load(
        "", {{"TERTULIA_LISTN", "x"}, {"TERTULIA_TEST_DATA", "x"}, {"TERTULIA_MODEL_FILE", "x"}, {"TERTULIANO", "x"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_THAT(loaded->warnings, ElementsAre(HasSubstr("TERTULIA_LISTN means nothing to this program; did you mean "
                                                        "TERTULIA_LISTEN?")));
}

TEST_F(LoadConfig, SecretsComeFromTheEnvironmentAFileOrTheText) {
    const std::string key = write("key", "from-a-file\n");
    const auto loaded =
        load("api_token = \"env:TOKEN\"\n[[providers]]\nname = \"a\"\nkind = \"openai-chat\"\napi_key = \"file:" + key +
                 "\"\n[[providers]]\nname = \"b\"\nkind = \"openai-chat\"\napi_key = \"in-plain-sight\"\n",
             {{"TOKEN", "from-the-environment"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->config.api_token.reveal(), "from-the-environment");
    EXPECT_EQ(loaded->config.providers[0].api_key.secret.reveal(), "from-a-file");
    EXPECT_EQ(loaded->config.providers[1].api_key.secret.reveal(), "in-plain-sight");
    EXPECT_THAT(loaded->warnings, ElementsAre(testing::AllOf(HasSubstr("providers.b.api_key"),
                                                             testing::Not(HasSubstr("in-plain-sight")))));
}

TEST_F(LoadConfig, KeysMayBeKeptByAws) {
    const auto loaded = load(
        "[[providers]]\nname = \"a\"\nkind = \"openai-chat\"\nbase_url = \"http://x\"\napi_key = \"secret:prod/a\"\n",
        {{"ANTHROPIC_API_KEY_SECRET", "prod/b"}, {"OPENAI_API_KEY_PARAMETER", "/prod/c"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto reference = [&](std::string_view name) {
        const auto found = std::ranges::find(loaded->config.providers, name, &ProviderConfig::name);
        return found == loaded->config.providers.end() ? "no provider" : found->api_key.reference;
    };
    EXPECT_EQ(reference("a"), "secret:prod/a");
    EXPECT_EQ(reference("anthropic"), "secret:prod/b");
    EXPECT_EQ(reference("openai"), "parameter:/prod/c");
    EXPECT_EQ(reference("openai-responses"), "parameter:/prod/c");
    EXPECT_THAT(loaded->config.model, testing::StartsWith("anthropic/"));
    EXPECT_EQ(loaded->sources.at("providers.anthropic.api_key"), "environment ANTHROPIC_API_KEY_SECRET");
    EXPECT_THAT(loaded->warnings, testing::IsEmpty());

    const auto both = load("", {{"OPENAI_API_KEY", "k \n"}, {"OPENAI_API_KEY_SECRET", "s"}});
    EXPECT_EQ(both->config.providers[0].api_key.secret.reveal(), "k");
    EXPECT_EQ(both->config.providers[0].api_key.reference, "");
    EXPECT_THAT(both->warnings, ElementsAre("OPENAI_API_KEY_SECRET is not looked at, since OPENAI_API_KEY is set"));

    const auto token = load("api_token = \"secret:x\"\n", {});
    ASSERT_FALSE(token);
    EXPECT_THAT(token.error().message, HasSubstr("only an api_key"));
}

TEST_F(LoadConfig, BuiltInProvidersComeWithTheirKeysAndGiveTheDefaultModel) {
    const struct {
        Environment environment;
        std::vector<std::string> providers;
        std::string model_begins;
    } rows[] = {
        {{}, {}, ""},
        {{{"ANTHROPIC_API_KEY", "k"}}, {"anthropic"}, "anthropic/claude-"},
        {{{"OPENAI_API_KEY", "k"}}, {"openai", "openai-responses"}, "openai/gpt-"},
        {{{"OPENAI_API_KEY", "k"}, {"ANTHROPIC_API_KEY", "k"}},
         {"anthropic", "openai", "openai-responses"},
         "anthropic/"},
        {{{"OPENAI_API_KEY", "k"}, {"ANTHROPIC_API_KEY", ""}}, {"openai", "openai-responses"}, "openai/"},
        {{{"TERTULIA_LOCAL_MODEL_BASE_URL", "http://127.0.0.1:1/v1/"}, {"TERTULIA_LOCAL_MODEL_NAME", "m/1"}},
         {"local"},
         "local/m/1"},
        {{{"OPENAI_API_KEY", "k"}, {"TERTULIA_MODEL", "openai/own"}}, {"openai", "openai-responses"}, "openai/own"},
    };
    for (const auto& row : rows) {
        const auto loaded = load("", row.environment);
        ASSERT_TRUE(loaded) << loaded.error().message;
        std::vector<std::string> names;
        for (const ProviderConfig& provider : loaded->config.providers) names.push_back(provider.name);
        EXPECT_EQ(names, row.providers);
        EXPECT_THAT(loaded->config.model, testing::StartsWith(row.model_begins));
        EXPECT_EQ(loaded->config.model.empty(), row.model_begins.empty());
        EXPECT_EQ(check_servable(loaded->config).has_value(), !row.providers.empty());
    }
}

TEST_F(LoadConfig, BedrockIsBuiltInWhereAwsToolsFindAKey) {
    const std::string profiles = write("aws",
                                       "[profile dev]\nregion = eu-north-1\naws_access_key_id = A\n"
                                       "[profile plain]\nregion = eu-west-1\n");
    struct Row {
        const char* name;
        Environment environment;
        const char *region, *base_url, *source;  // of the region; no region: no provider
    };
    const Row rows[] = {
        {"keys",
         {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "S"}},
         "us-east-1",
         "https://bedrock-runtime.us-east-1.amazonaws.com",
         "default"},
        {"a Bedrock key",
         {{"AWS_BEARER_TOKEN_BEDROCK", "k"}, {"AWS_REGION", "ap-south-1"}},
         "ap-south-1",
         "https://bedrock-runtime.ap-south-1.amazonaws.com",
         "environment AWS_REGION"},
        {"a profile",
         {{"AWS_PROFILE", "dev"}, {"AWS_ENDPOINT_URL", "http://127.0.0.1:1/"}},
         "eu-north-1",
         "http://127.0.0.1:1",
         "AWS profile"},
        {"a container",
         {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}, {"AWS_DEFAULT_REGION", "eu-west-3"}},
         "eu-west-3",
         "https://bedrock-runtime.eu-west-3.amazonaws.com",
         "environment AWS_DEFAULT_REGION"},
        {"a profile without keys", {{"AWS_PROFILE", "plain"}}, nullptr, nullptr, nullptr},
        {"half a key", {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", ""}}, nullptr, nullptr, nullptr},
        {"nothing", {}, nullptr, nullptr, nullptr},
    };
    for (Row row : rows) {
        row.environment["AWS_CONFIG_FILE"] = profiles;
        row.environment["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null";
        const auto loaded = load("", row.environment);
        ASSERT_TRUE(loaded) << row.name << loaded.error().message;
        const auto& providers = loaded->config.providers;
        EXPECT_EQ(providers.size(), row.region ? 2 : 0) << row.name;
        if (providers.size() != 2) continue;
        EXPECT_EQ(providers[0].name + ' ' + providers[0].kind, "bedrock bedrock-converse");
        EXPECT_EQ(providers[1].name + ' ' + providers[1].kind, "bedrock-invoke bedrock-invoke");
        EXPECT_EQ(providers[0].region, row.region) << row.name;
        EXPECT_EQ(providers[0].base_url, row.base_url) << row.name;
        EXPECT_EQ(loaded->sources.at("providers.bedrock.region"), row.source) << row.name;
    }
}

TEST_F(LoadConfig, ARegionBecomesAPartOfAHostsName) {
    const Environment environment{{"AWS_CONFIG_FILE", "/dev/null"},
                                  {"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
                                  {"AWS_BEARER_TOKEN_BEDROCK", "k"},
                                  {"AWS_REGION", "evil.example/"}};
    const auto loaded = load("", environment);
    ASSERT_TRUE(loaded);
    EXPECT_THAT(loaded->config.providers, IsEmpty());
    EXPECT_THAT(loaded->warnings, ElementsAre(HasSubstr("AWS_REGION"), HasSubstr("AWS_REGION")));
    EXPECT_THAT(refusal("[[providers]]\nname = \"b\"\nkind = \"bedrock-converse\"\n", environment),
                HasSubstr("environment AWS_REGION"));
    EXPECT_THAT(refusal("[[providers]]\nname = \"b\"\nkind = \"bedrock-invoke\"\nregion = \"a b\"\n"),
                HasSubstr("region"));
}

TEST_F(LoadConfig, AnEntryOfTheNameOfABuiltInReplacesIt) {
    const auto loaded = load(
        "[[providers]]\nname = \"openai\"\nkind = \"openai-chat\"\nbase_url = \"http://127.0.0.1:9/v1/\"\n"
        "stream = \"as_asked\"\n[providers.deadlines]\nfirst_token_ms = 7\n",
        {{"OPENAI_API_KEY", "k"}, {"OPENAI_BASE_URL", "http://elsewhere"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->config.providers.size(), 2U) << "this one, and openai-responses";
    const ProviderConfig& provider = loaded->config.providers[0];
    EXPECT_EQ(provider.base_url, "http://127.0.0.1:9/v1");
    EXPECT_TRUE(provider.api_key.empty());
    EXPECT_EQ(provider.stream, "as_asked");
    EXPECT_EQ(provider.first_token_limit, base::Milliseconds(7));
    EXPECT_EQ(provider.connect_limit, std::nullopt);
}

TEST_F(LoadConfig, TheDefaultModelMustNameAProvider) {
    const Environment environment = {{"OPENAI_API_KEY", "k"}};
    EXPECT_THAT(refusal("model = \"opnai/x\"", environment), HasSubstr("names no provider; there are: openai"));
    EXPECT_EQ(refusal("model = \"no-slash\"", environment), "accepted");
}

TEST_F(LoadConfig, AnAddressThatOthersReachNeedsATokenOrInsecure) {
    const struct {
        const char* toml;
        bool servable;
    } rows[] = {
        {"listen = \"0.0.0.0:80\"", false},
        {"listen = \"0.0.0.0:80\"\ninsecure = true", true},
        {"listen = \"0.0.0.0:80\"\napi_token = \"x\"", true},
        {"listen = \"[::1]:80\"", true},
    };
    for (const auto& row : rows) {
        const auto loaded = load(row.toml, {{"OPENAI_API_KEY", "k"}});
        ASSERT_TRUE(loaded) << loaded.error().message;
        EXPECT_EQ(check_servable(loaded->config).has_value(), row.servable) << row.toml;
    }
}

}  // namespace
}  // namespace tertulia::app
