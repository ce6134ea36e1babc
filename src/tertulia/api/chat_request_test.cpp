#include "tertulia/api/chat_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

sessions::TurnRequest parse(std::string_view body) {
    const auto request = parse_chat_request(body);
    EXPECT_TRUE(request.has_value()) << body << ": " << (request ? "" : request.error().message);
    return request.value_or(sessions::TurnRequest{});
}

// A body with a good message and one member more.
std::string with(std::string_view member) {
    return R"({"message":"x",)" + std::string(member) + "}";
}

TEST(ChatRequest, a_message_alone_is_enough) {
    const auto request = parse(R"({"message":"What is \u006dachine learning?"})");
    EXPECT_EQ(request.message, "What is machine learning?");
    EXPECT_EQ(request.session_id, "");
    EXPECT_FALSE(request.stream);
    EXPECT_FALSE(request.model || request.system || request.max_tokens || request.temperature);
    EXPECT_TRUE(request.stop.empty() && request.metadata.empty());
}

TEST(ChatRequest, every_member_is_taken) {
    const auto request = parse(
        R"({"stream":true,"model":"a/b/c","system":"Be brief.","max_tokens":77,"temperature":0.5,"stop":["END","x"],)"
        R"("metadata":{"device":"phone"},"session_id":"u:1._-","message":" hi "})");
    EXPECT_EQ(request.message, " hi ");
    EXPECT_EQ(request.session_id, "u:1._-");
    EXPECT_TRUE(request.stream);
    EXPECT_EQ(request.model, "a/b/c");
    EXPECT_EQ(request.system, "Be brief.");
    EXPECT_EQ(request.max_tokens, 77);
    EXPECT_EQ(request.temperature, 0.5);
    EXPECT_THAT(request.stop, ElementsAre("END", "x"));
    EXPECT_EQ(request.metadata, R"({"device":"phone"})");
}

TEST(ChatRequest, a_message_that_is_missing_empty_blank_or_no_string_has_the_documented_error) {
    for (const std::string_view body :
         {R"({})", R"({"message":""})", R"({"message":" \t\r\n"})", R"({"message":null})", R"({"message":7})",
          R"({"message":["a"]})", R"({"message":{"a":1}})", R"({"message":true})", R"({"colour":"red"})"}) {
        const auto request = parse_chat_request(body);
        ASSERT_FALSE(request.has_value()) << body;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
        EXPECT_EQ(request.error().title, "Missing required parameter: message");
        EXPECT_EQ(request.error().message, "Please provide a 'message' field");
    }
}

TEST(ChatRequest, only_ascii_blanks_are_blank) {
    for (const std::string_view text : {"\u00a0", "\u2003", "\v", "\f", "0"}) {
        std::string body = R"({"message":")";
        body += text == "\v" ? "\\u000b" : text == "\f" ? "\\f" : text;
        EXPECT_EQ(parse(body + "\"}").message, text);
    }
}

TEST(ChatRequest, what_is_wrong_with_a_member_is_said_with_its_name) {
    const std::string long_id(129, 'x');
    const std::string many_keys = [] {
        std::string keys;
        for (int i = 0; i < 17; ++i) keys += (i ? "," : "") + fmt::format("\"k{}\":\"v\"", i);
        return "\"metadata\":{" + keys + "}";
    }();
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"("session_id":"")", "session_id"},
        {R"("session_id":7)", "session_id"},
        {R"("session_id":"a b")", "session_id"},
        {R"("session_id":"..")", "session_id"},
        {"\"session_id\":\"" + long_id + "\"", "session_id"},
        {R"("stream":"yes")", "stream"},
        {R"("stream":1)", "stream"},
        {R"("model":7)", "model"},
        {R"("model":"")", "model"},
        {R"("model":"a\nb")", "model"},
        {"\"model\":\"" + std::string(257, 'm') + "\"", "model"},
        {R"("system":[])", "system"},
        {R"("max_tokens":0)", "max_tokens"},
        {R"("max_tokens":-1)", "max_tokens"},
        {R"("max_tokens":1.5)", "max_tokens"},
        {R"("max_tokens":"many")", "max_tokens"},
        {R"("max_tokens":1000001)", "max_tokens"},
        {R"("max_tokens":18446744073709551615)", "max_tokens"},
        {R"("max_tokens":1000000000000000000000000000000)", "max_tokens"},
        {R"("temperature":"hot")", "temperature"},
        {R"("temperature":-0.1)", "temperature"},
        {R"("temperature":2.1)", "temperature"},
        {R"("stop":7)", "stop"},
        {R"("stop":[7])", "stop"},
        {R"("stop":"")", "stop"},
        {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", "16"},
        {R"("metadata":"x")", "metadata"},
        {R"("metadata":[])", "metadata"},
        {many_keys, "at most 16"},
        {"\"metadata\":{\"k\":\"" + std::string(4096, 'v') + "\"}", "at most 4096"},
    };
    for (const auto& [member, part] : cases) {
        const auto request = parse_chat_request(with(member));
        ASSERT_FALSE(request.has_value()) << member;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
        EXPECT_THAT(request.error().message, HasSubstr(part));
    }
}

TEST(ChatRequest, limits_are_inclusive) {
    EXPECT_EQ(parse(with("\"session_id\":\"" + std::string(128, 'x') + "\"")).session_id.size(), 128u);
    EXPECT_EQ(parse(with(R"("max_tokens":1)")).max_tokens, 1);
    EXPECT_EQ(parse(with(R"("max_tokens":1000000)")).max_tokens, 1'000'000);
    EXPECT_EQ(parse(with(R"("temperature":0)")).temperature, 0);
    EXPECT_EQ(parse(with(R"("temperature":2)")).temperature, 2);
    EXPECT_THAT(parse(with(R"("stop":"END")")).stop, ElementsAre("END"));
    EXPECT_TRUE(parse(with(R"("stop":[])")).stop.empty());
    EXPECT_EQ(parse(with("\"metadata\":{\"k\":\"" + std::string(4088, 'v') + "\"}")).metadata.size(), 4096u);
}

TEST(ChatRequest, null_counts_as_absent) {
    const auto request = parse(R"({"message":"x","session_id":null,"stream":null,"model":null,"system":null,)"
                               R"("max_tokens":null,"temperature":null,"stop":null,"metadata":null})");
    EXPECT_EQ(request.session_id, "");
    EXPECT_FALSE(request.stream || request.model || request.system || request.max_tokens || request.temperature);
    EXPECT_TRUE(request.stop.empty() && request.metadata.empty());
}

TEST(ChatRequest, an_unknown_field_is_named_with_the_nearest_known_one) {
    const auto near = parse_chat_request(with(R"("max_token":5)"));
    EXPECT_THAT(near.error().message, HasSubstr("Unknown field 'max_token'. Did you mean 'max_tokens'?"));
    const auto far = parse_chat_request(with(R"("colour":"red")"));
    EXPECT_THAT(far.error().message, HasSubstr("Unknown field 'colour'. The known ones are message, session_id,"));
}

TEST(ChatRequest, malformed_bodies_are_refused_with_the_offset) {
    const std::vector<std::pair<std::string_view, std::string_view>> cases = {
        {R"({"message":"x",})", "15"},        {R"({"message":"x"} {})", "16"},
        {"{\"message\":\"a\x01\"}", "13"},    {R"({"message":"x")", "byte"},
        {"{\"message\":\"a\xff\"}", "13"},    {R"({"message":"one","message":"two"})", "message"},
        {R"({"message":"a\ud800"})", "byte"}, {"", "byte"},
    };
    for (const auto& [body, part] : cases) {
        const auto request = parse_chat_request(body);
        ASSERT_FALSE(request.has_value()) << body;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
        EXPECT_THAT(request.error().message, HasSubstr(std::string(part))) << body;
    }
}

TEST(ChatRequest, a_body_that_is_no_object_is_refused) {
    for (const std::string_view body : {"[]", "\"message\"", "7", "null", "true"})
        EXPECT_THAT(parse_chat_request(body).error().message, HasSubstr("JSON object")) << body;
}

TEST(ChatRequest, metadata_is_kept_as_it_was_meant) {
    constexpr std::string_view metadata =
        R"({"a":0.1,"b":[1,-2,18446744073709551615,true,false,null],"c":{"\"":"\\\n"},"d":{},"e":[]})";
    EXPECT_EQ(parse(with("\"metadata\": " + std::string(metadata))).metadata, metadata);
    EXPECT_FALSE(parse_chat_request(with(R"("metadata":{"a":1e999})")).has_value());
}

}  // namespace
}  // namespace tertulia::api
