#include "tertulia/aws/region.h"

#include <gtest/gtest.h>

namespace tertulia::aws {
namespace {

TEST(AwsRegion, IsTheFirstThatIsNamed) {
    const Profiles profiles{{"default", {{"region", "eu-west-1"}}}, {"dev", {{"region", "eu-north-1"}}}};
    EXPECT_EQ(find_region({{"AWS_REGION", "a-1"}, {"AWS_DEFAULT_REGION", "b-1"}}, profiles), "a-1");
    EXPECT_EQ(find_region({{"AWS_REGION", ""}, {"AWS_DEFAULT_REGION", "b-1"}}, profiles), "b-1");
    EXPECT_EQ(find_region({}, profiles), "eu-west-1");
    EXPECT_EQ(find_region({{"AWS_PROFILE", "dev"}}, profiles), "eu-north-1");
    EXPECT_EQ(find_region({{"AWS_PROFILE", "none"}}, profiles), "us-east-1");
    EXPECT_EQ(find_region({}, {}), "us-east-1");
}

TEST(AwsRegion, IsAPartOfAHostsName) {
    EXPECT_TRUE(is_region("us-gov-west-1"));
    for (const std::string_view text : {"", "a.b", "us-east-1/x", "US-EAST-1", "a@b", "a:1"})
        EXPECT_FALSE(is_region(text)) << text;
}

TEST(AwsRegion, EndpointsCanBeSetForOneServiceOrForAll) {
    EXPECT_EQ(service_url({}, "bedrock-runtime", "us-east-1"), "https://bedrock-runtime.us-east-1.amazonaws.com");
    EXPECT_EQ(service_url({}, "sts", "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
    const base::Environment all{{"AWS_ENDPOINT_URL", "http://all"}, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://one"}};
    EXPECT_EQ(service_url(all, "bedrock-runtime", "us-east-1"), "http://one");
    EXPECT_EQ(service_url(all, "sts", "us-east-1"), "http://all");
    EXPECT_EQ(service_url({{"AWS_ENDPOINT_URL", ""}}, "sts", "r-1"), "https://sts.r-1.amazonaws.com");
}

}  // namespace
}  // namespace tertulia::aws
