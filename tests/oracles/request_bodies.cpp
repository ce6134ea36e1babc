// The requests that we would send for the cases of a file: what the oracles compare.
//   request_bodies cases.json                     prints their bodies, one JSON object a line
//   request_bodies cases.json URL REGION MODEL    asks a Bedrock that stands at URL, with the credentials of the
//                                                 environment; prints the name of the case of each request

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "tertulia/async/spawn.h"
#include "tertulia/async/task_group.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/aws/credential_chain.h"
#include "tertulia/http/client.h"
#include "tertulia/providers/anthropic_wire.h"
#include "tertulia/providers/bedrock_provider.h"
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
    request.conversation = text_or_empty(from, "conversation");
    return request;
}

void print(const json::object& one, std::string_view target, std::string_view body) {
    std::cout << json::serialize(json::object{{"case", one.at("name")}, {"target", target}, {"body", body}}) << "\n";
}

// Sends each case by all four operations, one after the other; how they are answered does not matter.
async::Task<> ask_bedrock(http::Client& client, aws::CredentialCache& credentials, const json::array& cases,
                          const http::Url& url, std::string region, std::string model) {
    using providers::BedrockProvider;
    for (const auto api : {BedrockProvider::Api::converse, BedrockProvider::Api::invoke}) {
        BedrockProvider provider(client, credentials, base::system_clock(),
                                 {.api = api, .base_url = url, .region = region});
        for (const json::value& one : cases) {
            models::ModelRequest request = to_request(one.as_object(), model);
            for (const bool stream : {false, true}) {
                request.stream = stream;
                const auto opened =
                    co_await provider.open(request, {}, base::Deadline::after(std::chrono::seconds(20)));
                if (opened || opened.error().kind != models::FailureKind::rejected)
                    throw std::runtime_error("not captured: " + (opened ? "" : opened.error().error.message));
                std::cout << text_or_empty(one.as_object(), "name") << "\n";
            }
        }
    }
}

base::Environment aws_environment() {
    base::Environment environment;
    for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
        if (const char* value = std::getenv(name)) environment.emplace(name, value);
    return environment;
}

void ask_bedrock(const json::array& cases, const char* url, const char* region, const char* model) {
    const auto address = http::parse_url(url);
    if (!address) throw std::runtime_error(address.error().message);
    async::asio::io_context context(1);
    std::exception_ptr failure;
    {
        http::Client client(context.get_executor());
        async::TaskGroup tasks(context.get_executor(), [](const std::string& what) { throw std::logic_error(what); });
        const aws::CredentialChain chain(client, base::system_clock(), aws_environment());
        aws::CredentialState state;
        aws::CredentialCache credentials(
            state, context.get_executor(), tasks, base::system_clock(),
            [&](std::stop_token stop, base::Deadline deadline) { return chain.fetch(std::move(stop), deadline); });
        async::spawn(context.get_executor(), ask_bedrock(client, credentials, cases, *address, region, model),
                     [&](std::exception_ptr error) {
                         failure = std::move(error);
                         client.close_idle();
                     });
        context.run();
    }
    if (failure) std::rethrow_exception(failure);
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
        if (argc != 2 && argc != 5) throw std::runtime_error("usage: request_bodies cases.json [URL REGION MODEL]");
        std::ifstream file(argv[1]);
        std::ostringstream text;
        text << file.rdbuf();
        const boost::json::value cases = boost::json::parse(text.str());
        if (argc == 5)
            tertulia::ask_bedrock(cases.as_array(), argv[2], argv[3], argv[4]);
        else
            for (const boost::json::value& one : cases.as_array()) tertulia::print_all(one.as_object());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "request_bodies: %s\n", error.what());
        return 1;
    }
    return 0;
}
