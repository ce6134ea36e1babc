#include "tertulia/providers/bedrock_model.h"

#include <gtest/gtest.h>

namespace tertulia::providers {
namespace {

TEST(BedrockModel, tells_families_and_what_they_take) {
    const struct {
        const char* model;
        BedrockFamily family;
        bool caches, prefill;
    } table[] = {
        {"anthropic.claude-sonnet-4-5-20250929-v1:0", BedrockFamily::claude, true, true},
        {"us.anthropic.claude-3-7-sonnet-20250219-v1:0", BedrockFamily::claude, true, true},
        {"anthropic.claude-3-5-haiku-20241022-v1:0", BedrockFamily::claude, true, true},
        {"anthropic.claude-3-5-sonnet-20241022-v2:0", BedrockFamily::claude, true, true},
        {"anthropic.claude-3-5-sonnet-20240620-v1:0", BedrockFamily::claude, false, true},
        {"anthropic.claude-3-haiku-20240307-v1:0", BedrockFamily::claude, false, true},
        {"anthropic.claude-v2:1", BedrockFamily::claude, false, true},
        {"arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-sonnet-4-6",
         BedrockFamily::claude, true, true},
        {"us.amazon.nova-micro-v1:0", BedrockFamily::nova, true, true},
        {"amazon.titan-text-lite-v1", BedrockFamily::other, false, false},
        {"arn:aws:bedrock:us-east-1:012345678901:application-inference-profile/a1b2c3", BedrockFamily::other, false,
         false},
        {"", BedrockFamily::other, false, false},
    };
    for (const auto& row : table) {
        EXPECT_EQ(bedrock_family(row.model), row.family) << row.model;
        EXPECT_EQ(bedrock_takes_cache_points(row.model), row.caches) << row.model;
        EXPECT_EQ(bedrock_takes_prefill(row.model), row.prefill) << row.model;
    }
}

TEST(BedrockModel, an_id_is_one_segment_of_the_path) {
    const std::pair<const char*, const char*> table[] = {
        {"anthropic.claude-3-5-sonnet-20241022-v2:0", "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"},
        {"arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
         "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2F"
         "us.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse"},
        {"a b/../c?d#e%~_\xc3\xa9", "/model/a%20b%2F..%2Fc%3Fd%23e%25~_%C3%A9/converse"},
    };
    for (const auto& [model, path] : table) EXPECT_EQ(bedrock_path(model, "converse"), path);
}

}  // namespace
}  // namespace tertulia::providers
