#include "tertulia/aws/profiles.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace tertulia::aws {
namespace {

Profiles parse(std::string_view text, ProfileFile file) {
    Profiles profiles;
    add_profiles(text, file, profiles);
    return profiles;
}

TEST(AwsProfiles, ReadsBothKindsOfFile) {
    struct Case {
        std::string name;
        std::string_view text;
        ProfileFile file;
        Profiles expected;
    };
    const Case cases[] = {
        {"default and named",
         "[default]\nregion = eu-west-1\n[profile dev]\nregion=us-west-2\n",
         ProfileFile::config,
         {{"default", {{"region", "eu-west-1"}}}, {"dev", {{"region", "us-west-2"}}}}},
        {"a name in quotes", "[profile \"my dev\"]\na=b\n", ProfileFile::config, {{"my dev", {{"a", "b"}}}}},
        {"sections that are no profiles",
         "[sso-session x]\na=b\n[services y]\nc=d\n[profilez]\ne=f\n[dev]\ng=h\n",
         ProfileFile::config,
         {}},
        {"credentials",
         "[dev]\naws_access_key_id = AKID\naws_secret_access_key = a/b+c=\n",
         ProfileFile::credentials,
         {{"dev", {{"aws_access_key_id", "AKID"}, {"aws_secret_access_key", "a/b+c="}}}}},
        {"comments and spaces",
         "# c\n; c\n[ default ] # c\nregion\t=  r1   # c\nkey=a#b\nother = x ;c\n\n",
         ProfileFile::config,
         {{"default", {{"region", "r1"}, {"key", "a#b"}, {"other", "x"}}}}},
        {"settings of settings",
         "[default]\ns3 =\n  region = no\nregion = yes\n",
         ProfileFile::config,
         {{"default", {{"s3", ""}, {"region", "yes"}}}}},
        {"Windows line ends and no last one",
         "[default]\r\nREGION = a\r\nx=y",
         ProfileFile::config,
         {{"default", {{"region", "a"}, {"x", "y"}}}}},
        {"the last one holds", "[default]\na=1\n[default]\na=2\n", ProfileFile::config, {{"default", {{"a", "2"}}}}},
        {"what says nothing",
         "a=b\n[default\nc=d\n[]\ne=f\n[profile ]\ng=h\n[default]\nalone\n=x\n",
         ProfileFile::config,
         {{"default", {}}}},
        {"nothing", "", ProfileFile::config, {}},
    };
    for (const Case& c : cases) EXPECT_EQ(parse(c.text, c.file), c.expected) << c.name;
}

TEST(AwsProfiles, ReadsTheFilesThatTheEnvironmentNames) {
    const tests::TemporaryFolder folder;
    std::ofstream(folder / "config") << "[default]\nregion=a\nkey=config\n";
    std::ofstream(folder / "credentials") << "[default]\nkey=credentials\n";
    const Profiles expected{{"default", {{"region", "a"}, {"key", "credentials"}}}};
    EXPECT_EQ(read_profiles(
                  {{"AWS_CONFIG_FILE", folder / "config"}, {"AWS_SHARED_CREDENTIALS_FILE", folder / "credentials"}}),
              expected);
    EXPECT_EQ(
        read_profiles(
            {{"HOME", folder / ""}, {"AWS_CONFIG_FILE", "~/config"}, {"AWS_SHARED_CREDENTIALS_FILE", "~/credentials"}}),
        expected);
    EXPECT_EQ(read_profiles({{"HOME", folder / "nowhere"}}), Profiles());
    std::ofstream(folder / "large") << "[default]\nregion=a\n" << std::string((1 << 20) + 1, '#');
    EXPECT_EQ(read_profiles({{"AWS_CONFIG_FILE", folder / "large"}, {"AWS_SHARED_CREDENTIALS_FILE", folder / ""}}),
              Profiles());
}

TEST(AwsProfiles, AnEmptyVariableNamesNoProfile) {
    EXPECT_EQ(profile_name({}), "default");
    EXPECT_EQ(profile_name({{"AWS_PROFILE", ""}}), "default");
    EXPECT_EQ(profile_name({{"AWS_PROFILE", "dev"}}), "dev");
}

}  // namespace
}  // namespace tertulia::aws
