#include "tertulia/providers/bedrock_model.h"

#include <algorithm>
#include <array>

namespace tertulia::providers {
namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

}  // namespace

BedrockFamily bedrock_family(std::string_view model) {
    if (has(model, "anthropic.")) return BedrockFamily::claude;
    return has(model, "amazon.nova") ? BedrockFamily::nova : BedrockFamily::other;
}

bool bedrock_takes_cache_points(std::string_view model) {
    constexpr std::array<std::string_view, 7> before_caches = {
        "claude-v",      "claude-instant", "claude-3-sonnet",           "claude-3-haiku",
        "claude-3-opus", "claude-2",       "claude-3-5-sonnet-20240620"};
    switch (bedrock_family(model)) {
        case BedrockFamily::claude:
            return std::ranges::none_of(before_caches, [&](std::string_view name) { return has(model, name); });
        case BedrockFamily::nova:
            return true;
        case BedrockFamily::other:
            return false;
    }
    return false;
}

bool bedrock_takes_prefill(std::string_view model) {
    return bedrock_family(model) != BedrockFamily::other;
}

std::string bedrock_path(std::string_view model, std::string_view operation) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string path = "/model/";
    for (const char c : model) {
        if (is_unreserved(c)) {
            path += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        path += '%';
        path += digits[byte >> 4];
        path += digits[byte & 15];
    }
    path += '/';
    path += operation;
    return path;
}

}  // namespace tertulia::providers
