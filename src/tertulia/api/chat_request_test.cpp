#include "tertulia/api/chat_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

sessions::TurnRequest parse(std::string_view body) {
    const auto request = parse_chat_request(body, {});
    EXPECT_TRUE(request.has_value()) << body << ": " << (request ? "" : request.error().message);
    return request ? request->turn : sessions::TurnRequest{};
}

// A body with a good message and one member more.
std::string with(std::string_view member) {
    return R"({"message":"x",)" + std::string(member) + "}";
}

TEST(ChatRequest, a_message_alone_is_enough) {
    const auto request = parse(R"({"message":"What is \u006dachine learning?"})");
    EXPECT_EQ(chat::text_of(request.content), "What is machine learning?");
    EXPECT_EQ(request.session_id, "");
    EXPECT_FALSE(request.stream);
    EXPECT_FALSE(request.model || request.system || request.max_tokens || request.temperature);
    EXPECT_TRUE(request.stop.empty() && request.metadata.empty());
}

TEST(ChatRequest, every_member_is_taken) {
    const auto request = parse(
        R"({"stream":true,"model":"a/b/c","system":"Be brief.","max_tokens":77,"temperature":0.5,"stop":["END","x"],)"
        R"("metadata":{"device":"phone"},"session_id":"u:1._-","message":" hi "})");
    EXPECT_EQ(chat::text_of(request.content), " hi ");
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
        const auto request = parse_chat_request(body, {});
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
        EXPECT_EQ(chat::text_of(parse(body + "\"}").content), text);
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
        const auto request = parse_chat_request(with(member), {});
        ASSERT_FALSE(request.has_value()) << member;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
        EXPECT_THAT(request.error().message, HasSubstr(part));
    }
}

TEST(ChatRequest, content_stands_in_the_place_of_a_message) {
    const auto request = parse(R"({"content":[{"type":"text","text":"Hi"},{"type":"text","text":"!"}],"message":null,)"
                               R"("tools":[{"name":"f","input_schema":{}}],"tool_choice":"any"})");
    EXPECT_EQ(request.content, (std::vector<chat::ContentBlock>{chat::Text{"Hi"}, chat::Text{"!"}}));
    EXPECT_EQ(request.tools.size(), 1u);
    EXPECT_EQ(request.tool_choice->kind, chat::ToolChoice::Kind::any);
    const auto both = parse_chat_request(with(R"("content":[{"type":"text","text":"Hi"}])"), {});
    EXPECT_EQ(both.error().message, "Send either 'message' or 'content', not both.");
    const auto neither = parse_chat_request(R"({"content":null})", {});
    EXPECT_EQ(neither.error().title, "Missing required parameter: message");
    const auto empty = parse_chat_request(R"({"content":[]})", {});
    EXPECT_EQ(empty.error().message, "'content' must be a list of 1 to 256 blocks.");
    const auto unknown = parse_chat_request(with(R"("tool_choice":{"name":"g"},"tools":[])"), {});
    EXPECT_EQ(unknown.error().message, "'tool_choice' asks for a tool, but there are no 'tools'.");
    EXPECT_FALSE(parse_continue_request(R"({"content":[{"type":"text","text":"Hi"}]})", {}));
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
    const auto near = parse_chat_request(with(R"("max_token":5)"), {});
    EXPECT_THAT(near.error().message, HasSubstr("Unknown field 'max_token'. Did you mean 'max_tokens'?"));
    const auto far = parse_chat_request(with(R"("colour":"red")"), {});
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
        const auto request = parse_chat_request(body, {});
        ASSERT_FALSE(request.has_value()) << body;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
        EXPECT_THAT(request.error().message, HasSubstr(std::string(part))) << body;
    }
}

TEST(ChatRequest, a_body_that_is_no_object_is_refused) {
    for (const std::string_view body : {"[]", "\"message\"", "7", "null", "true"})
        EXPECT_THAT(parse_chat_request(body, {}).error().message, HasSubstr("JSON object")) << body;
}

TEST(ChatRequest, metadata_is_kept_as_it_was_meant) {
    constexpr std::string_view metadata =
        R"({"a":0.1,"b":[1,-2,18446744073709551615,true,false,null],"c":{"\"":"\\\n"},"d":{},"e":[]})";
    EXPECT_EQ(parse(with("\"metadata\": " + std::string(metadata))).metadata, metadata);
    EXPECT_FALSE(parse_chat_request(with(R"("metadata":{"a":1e999})"), {}).has_value());
}

TEST(ChatRequest, says_how_it_wants_to_be_treated) {
    const auto request = parse_chat_request(
        with(R"("on_busy":"interrupt","on_disconnect":"cancel","parent":"2024-11-22T10:30:00.000000Z")"), {});
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->on_busy, sessions::OnBusy::interrupt);
    EXPECT_EQ(request->on_disconnect, sessions::OnDisconnect::cancel);
    EXPECT_EQ(request->turn.parent, "2024-11-22T10:30:00.000000Z");
    const auto silent = parse_chat_request(with(R"("on_busy":null,"parent":null)"), {});
    ASSERT_TRUE(silent.has_value());
    EXPECT_FALSE(silent->on_busy || silent->on_disconnect || silent->respond_async);
    EXPECT_TRUE(silent->turn.parent.empty());
    for (const std::string_view bad : {R"("on_busy":"wait")", R"("on_busy":1)", R"("on_disconnect":"stop")",
                                       R"("parent":"yesterday")", R"("parent":"")", R"("parent":7)"})
        EXPECT_FALSE(parse_chat_request(with(bad), {}).has_value()) << bad;
}

http::Headers headers(std::string name, std::string value) {
    http::Headers all;
    all.add(std::move(name), std::move(value));
    return all;
}

sessions::OnceKey once(std::string_view body, const http::Headers& sent) {
    const auto request = parse_chat_request(body, sent);
    EXPECT_TRUE(request.has_value());
    return request ? request->turn.once : sessions::OnceKey{};
}

TEST(ChatRequest, a_key_makes_it_recognisable) {
    const auto key = headers("idempotency-key", "k_1");
    const sessions::OnceKey first = once(R"({"message":"x","max_tokens":5,"stream":true})", key);
    EXPECT_FALSE(first.key.empty());
    EXPECT_FALSE(first.is_fresh);
    EXPECT_EQ(first.remembered_for, std::chrono::hours(24));
    // In another order, written otherwise, and to be delivered otherwise.
    for (const std::string_view same :
         {R"({"max_tokens":5,"message":"x"})", R"( {"message" : "\u0078", "max_tokens":5, "stream":false})",
          R"({"message":"x","max_tokens":5,"on_disconnect":"cancel","model":null})"})
        EXPECT_EQ(once(same, key).fingerprint, first.fingerprint) << same;
    for (const std::string_view other : {R"({"message":"y","max_tokens":5})", R"({"message":"x","max_tokens":6})",
                                         R"({"message":"x"})", R"({"message":"x","max_tokens":5,"session_id":"s"})",
                                         R"({"message":"x","max_tokens":5,"parent":"2024-11-22 10:30:00"})"})
        EXPECT_NE(once(other, key).fingerprint, first.fingerprint) << other;
    EXPECT_EQ(once(R"({"message":"x"})", {}).key, "");
    for (const std::string& bad :
         {std::string(), std::string(256, 'k'), std::string("k\xc3\xa9"), std::string("a\tb"), std::string("a b")})
        EXPECT_FALSE(parse_chat_request(R"({"message":"x"})", headers("idempotency-key", bad)).has_value()) << bad;
    EXPECT_TRUE(
        parse_chat_request(R"({"message":"x"})", headers("idempotency-key", std::string(255, 'k'))).has_value());
}

TEST(ChatRequest, an_sdks_automatic_retry_is_recognised_by_its_body) {
    const std::string_view body = R"({"message":"x"})";
    const sessions::OnceKey first = once(body, headers("x-stainless-retry-count", "0"));
    const sessions::OnceKey second = once(body, headers("x-stainless-retry-count", "1"));
    EXPECT_TRUE(first.is_fresh);
    EXPECT_FALSE(second.is_fresh);
    EXPECT_EQ(first.key, second.key);
    EXPECT_EQ(first.remembered_for, std::chrono::minutes(10));
    EXPECT_NE(once(R"({"message":"y"})", headers("x-stainless-retry-count", "1")).key, first.key);
    for (const char* nonsense : {"", "-1", "one", "99999"})
        EXPECT_EQ(once(body, headers("x-stainless-retry-count", nonsense)).key, "") << nonsense;
}

TEST(ChatRequest, may_be_answered_at_once_or_as_a_stream) {
    const std::string_view body = R"({"message":"x"})";
    for (const char* yes : {"respond-async", "Respond-Async", "wait=10, respond-async", "respond-async; x=1"})
        EXPECT_TRUE(parse_chat_request(body, headers("prefer", yes))->respond_async) << yes;
    for (const char* no : {"", "return=minimal", "respond-asynchronously"})
        EXPECT_FALSE(parse_chat_request(body, headers("prefer", no))->respond_async) << no;
    EXPECT_TRUE(parse_chat_request(body, headers("accept", "text/event-stream"))->turn.stream);
    EXPECT_FALSE(parse_chat_request(body, headers("accept", "application/json"))->turn.stream);
}

TEST(ContinueRequest, has_no_message_of_its_own) {
    EXPECT_TRUE(parse_continue_request("", {}).has_value());
    const auto request = parse_continue_request(R"({"stream":true,"max_tokens":9})", {});
    ASSERT_TRUE(request.has_value());
    EXPECT_TRUE(request->turn.stream);
    EXPECT_EQ(request->turn.max_tokens, 9);
    for (const std::string_view bad : {R"({"message":"x"})", R"({"session_id":"s"})", R"([])", R"({)"})
        EXPECT_FALSE(parse_continue_request(bad, {}).has_value()) << bad;
}

}  // namespace
}  // namespace tertulia::api
