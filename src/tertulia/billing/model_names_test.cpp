#include "tertulia/billing/model_names.h"

#include <gmock/gmock.h>

namespace tertulia::billing {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

TEST(ModelNames, the_name_itself_is_the_first) {
    EXPECT_THAT(names_of_price("openai/gpt-5"), ElementsAre("openai/gpt-5"));
    EXPECT_THAT(names_of_price("no-slash"), ElementsAre("no-slash"));
    EXPECT_THAT(names_of_price("vendor/a/b"), ElementsAre("vendor/a/b"));
}

TEST(ModelNames, a_dated_edition_stands_for_its_model) {
    EXPECT_THAT(names_of_price("openai/gpt-5-2025-08-07"), ElementsAre("openai/gpt-5-2025-08-07", "openai/gpt-5"));
    EXPECT_THAT(names_of_price("anthropic/claude-x-20250929"), Contains("anthropic/claude-x"));
    EXPECT_THAT(names_of_price("anthropic/claude-x@20250929"), Contains("anthropic/claude-x"));
    EXPECT_THAT(names_of_price("anthropic/claude-x-latest"), Contains("anthropic/claude-x"));
}

TEST(ModelNames, what_is_no_date_does_not) {
    for (const char* name : {"openai/gpt-5-mini", "openai/gpt-4-0613", "openai/gpt-5-19991231", "openai/x-2025-8-7",
                             "openai/x20250807", "openai/20250807", "openai/x@2025-08-07", "openai/gpt-5:free"})
        EXPECT_THAT(names_of_price(name), ElementsAre(name));
}

TEST(ModelNames, other_apis_of_one_vendor_have_its_prices) {
    EXPECT_THAT(names_of_price("openai-responses/gpt-5-2025-08-07"),
                ElementsAre("openai-responses/gpt-5-2025-08-07", "openai-responses/gpt-5", "openai/gpt-5-2025-08-07",
                            "openai/gpt-5"));
    EXPECT_THAT(names_of_price("bedrock-invoke/amazon.nova-pro-v1:0"), Contains("bedrock/amazon.nova-pro"));
}

TEST(ModelNames, bedrocks_ids_are_known_without_version_size_geography_and_date) {
    EXPECT_THAT(names_of_price("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
                ElementsAre("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                            "bedrock/us.anthropic.claude-sonnet-4-5-20250929", "bedrock/us.anthropic.claude-sonnet-4-5",
                            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
                            "bedrock/anthropic.claude-sonnet-4-5-20250929", "bedrock/anthropic.claude-sonnet-4-5"));
    EXPECT_THAT(names_of_price("bedrock/anthropic.claude-3-haiku-20240307-v1:0:200k"),
                Contains("bedrock/anthropic.claude-3-haiku-20240307"));
    EXPECT_THAT(names_of_price("bedrock/openai.gpt-oss-120b-1:0"), Contains("bedrock/openai.gpt-oss-120b"));
    EXPECT_THAT(names_of_price("bedrock/amazon.titan-text-express-v1"), Contains("bedrock/amazon.titan-text-express"));
    EXPECT_THAT(names_of_price("bedrock/anthropic.claude-opus-4-6"), Not(Contains("bedrock/anthropic.claude-opus-4")));
}

TEST(ModelNames, a_global_profile_never_has_the_regions_price) {
    EXPECT_THAT(names_of_price("bedrock/global.anthropic.claude-x-v1:0"),
                ElementsAre("bedrock/global.anthropic.claude-x-v1:0", "bedrock/global.anthropic.claude-x"));
}

TEST(ModelNames, an_arn_is_read_where_it_names_a_model) {
    EXPECT_THAT(names_of_price("bedrock/arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"),
                Contains("bedrock/amazon.nova-pro"));
    EXPECT_THAT(
        names_of_price("bedrock/arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0"),
        Contains("bedrock/amazon.nova-pro"));
    const std::string opaque = "bedrock/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    EXPECT_THAT(names_of_price(opaque), ElementsAre(opaque));
}

}  // namespace
}  // namespace tertulia::billing
