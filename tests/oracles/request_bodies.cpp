// Prints the requests that we would send for the cases of a file: what the oracles compare. One JSON object a line.
//   request_bodies cases.json

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tertulia/providers/anthropic_wire.h"
#include "tertulia/providers/openai_chat_wire.h"
#include "tertulia/providers/openai_responses_wire.h"

namespace tertulia {
namespace {

namespace json = boost::json;

std::string text_or_empty(const json::object& object, const char* name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

chat::ToolChoice to_choice(const json::value& value) {
    using Kind = chat::ToolChoice::Kind;
    if (value.is_object()) return {.kind = Kind::named, .name = text_or_empty(value.get_object(), "named")};
    if (value == "any") return {.kind = Kind::any, .name = {}};
    return {.kind = value == "none" ? Kind::none : Kind::automatic, .name = {}};
}

models::ModelRequest to_request(const json::object& from, std::string model) {
    models::ModelRequest request{.model = std::move(model), .system = text_or_empty(from, "system"), .stream = false};
    for (const json::value& message : from.at("messages").as_array())
        request.messages.push_back({.role = message.at("role") == "user" ? chat::Role::user : chat::Role::assistant,
                                    .content = chat::blocks_from_json(json::serialize(message.at("content")))});
    if (const json::value* tools = from.if_contains("tools")) {
        for (const json::value& value : tools->as_array()) {
            const json::object& tool = value.as_object();
            request.tools.push_back(
                {.name = text_or_empty(tool, "name"),
                 .description = text_or_empty(tool, "description"),
                 .schema = tool.at("schema").is_null() ? std::string() : json::serialize(tool.at("schema"))});
        }
    }
    if (const json::value* choice = from.if_contains("tool_choice")) request.tool_choice = to_choice(*choice);
    if (const json::value* most = from.if_contains("max_tokens")) request.max_tokens = most->as_int64();
    if (const json::value* value = from.if_contains("temperature")) request.temperature = value->as_double();
    if (const json::value* stable = from.if_contains("stable_messages"))
        request.stable_messages = static_cast<std::size_t>(stable->as_int64());
    if (const json::value* stream = from.if_contains("stream")) request.stream = stream->as_bool();
    if (const json::value* stops = from.if_contains("stop"))
        for (const json::value& stop : stops->as_array()) request.stop.emplace_back(stop.as_string());
    request.cache_key = text_or_empty(from, "cache_key");
    return request;
}

void print(const json::object& one, std::string_view target, std::string_view body) {
    std::cout << json::serialize(json::object{{"case", one.at("name")}, {"target", target}, {"body", body}}) << "\n";
}

void print_all(const json::object& one) {
    using namespace providers;
    const OpenAiServer openai = openai_server({.tls = true, .host = "api.openai.com"});
    const OpenAiServer compatible = openai_server({.tls = true, .host = "api.groq.com"});
    const models::ModelRequest request = to_request(one, "gpt-5");
    print(one, "openai-chat", build_openai_chat_body(request, openai));
    print(one, "openai-chat compatible", build_openai_chat_body(request, compatible));
    print(one, "openai-responses", build_openai_responses_body(request, openai, true));
    const models::ModelRequest claude = to_request(one, "claude-sonnet-4-5");
    for (const std::string_view version : {anthropic_version_2023, anthropic_version_2026})
        print(one, "anthropic-messages " + std::string(version), build_anthropic_body(claude, version));
}

}  // namespace
}  // namespace tertulia

int main(int argc, char** argv) {
    try {
        if (argc != 2) throw std::runtime_error("usage: request_bodies cases.json");
        std::ifstream file(argv[1]);
        std::ostringstream text;
        text << file.rdbuf();
        for (const boost::json::value& one : boost::json::parse(text.str()).as_array())
            tertulia::print_all(one.as_object());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "request_bodies: %s\n", error.what());
        return 1;
    }
    return 0;
}
