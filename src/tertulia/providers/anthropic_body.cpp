// What is sent: the writing half of anthropic_wire.h.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <variant>

#include "tertulia/base/json.h"
#include "tertulia/providers/anthropic_wire.h"

namespace tertulia::providers {
namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
    out += ',';
    base::append_json_name(out, name);
    base::append_json_string(out, text);
}

// Appends one block with the comma before it where it is not the first; nothing for a block that is not sent.
void append_block(std::string& out, const chat::ContentBlock& block, bool& first) {
    const auto begin = [&] {
        if (!first) out += ',';
        first = false;
    };
    if (const auto* text = std::get_if<chat::Text>(&block)) {
        if (is_blank(text->text)) return;
        begin();
        out += R"({"type":"text")";
        append_member(out, "text", text->text);
        out += '}';
    } else if (const auto* thinking = std::get_if<chat::Thinking>(&block)) {
        if (thinking->maker != anthropic_kind || thinking->signature.empty()) return;
        begin();
        out += R"({"type":"thinking")";
        append_member(out, "thinking", thinking->text);
        append_member(out, "signature", thinking->signature);
        out += '}';
    } else if (const auto* native = std::get_if<chat::Native>(&block)) {
        if (native->maker != anthropic_kind) return;
        begin();
        out += native->json;
    }
}

}  // namespace

bool anthropic_takes_temperature(std::string_view api_version) {
    return api_version < anthropic_version_2026;
}

std::string build_anthropic_body(const models::ModelRequest& request, std::string_view api_version) {
    std::string out = R"({"model":)";
    base::append_json_string(out, request.model);
    out += fmt::format(R"(,"max_tokens":{})", request.max_tokens > 0 ? request.max_tokens : 4096);
    if (request.stream) out += R"(,"stream":true)";
    if (!request.system.empty()) append_member(out, "system", request.system);
    if (request.temperature && anthropic_takes_temperature(api_version))
        out += fmt::format(R"(,"temperature":{})", *request.temperature);
    if (!request.stop.empty()) {
        out += R"(,"stop_sequences":[)";
        for (const std::string& stop : request.stop) {
            if (&stop != &request.stop.front()) out += ',';
            base::append_json_string(out, stop);
        }
        out += ']';
    }
    out += R"(,"messages":[)";
    bool first_message = true;
    for (const chat::Message& message : request.messages) {
        std::string blocks;
        bool first = true;
        for (const chat::ContentBlock& block : message.content) append_block(blocks, block, first);
        if (blocks.empty()) continue;  // an empty message is refused
        if (!first_message) out += ',';
        first_message = false;
        out += R"({"role":)";
        base::append_json_string(out, to_string(message.role));
        out += R"(,"content":[)";
        out += blocks;
        out += "]}";
    }
    return out += "]}";
}

http::Headers anthropic_headers(const base::Secret& key, std::string_view api_version) {
    http::Headers headers;
    headers.add("content-type", "application/json");
    headers.add("accept", "application/json, text/event-stream");
    headers.add("accept-encoding", "gzip");
    headers.add("anthropic-version", std::string(api_version));
    if (!key.empty()) {
        if (api_version < anthropic_version_2026)
            headers.add("x-api-key", key.reveal());
        else
            headers.add("authorization", "Bearer " + key.reveal());
    }
    return headers;
}

}  // namespace tertulia::providers
