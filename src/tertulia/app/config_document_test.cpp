#include "tertulia/app/config_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace tertulia::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ConfigurationDocument, IsTheOneInDocs) {
    std::ifstream file("docs/configuration.md");
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), configuration_document())
        << "run `build/dev/tertulia check-config --document > docs/configuration.md`";
}

TEST(Describe, ShowsEveryValueWithItsSourceAndNoSecret) {
    const Environment environment = {{"OPENAI_API_KEY", "sk-very-secret"}, {"TERTULIA_API_TOKEN", "hush-hush"}};
    const auto loaded = load_config({.values = {{"workers", "--workers", "3"}}}, environment);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const std::string text = describe(*loaded);
    for (const char* line : {
             "workers = 3  # command line --workers\n",
             "deadlines.connect_ms = 3000  # default\n",
             "api_token = \"***\"  # environment TERTULIA_API_TOKEN\n",
             "cors_origins = []  # default\n",
             "providers.openai.api_key = \"***\"  # environment OPENAI_API_KEY\n",
             "providers.openai.base_url = \"https://api.openai.com/v1\"  # default\n",
         }) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    EXPECT_THAT(text, Not(HasSubstr("secret")));
    EXPECT_THAT(text, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace tertulia::app
