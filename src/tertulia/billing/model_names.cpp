#include "tertulia/billing/model_names.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tertulia::billing {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_digit);
}

// "2025-08-07", "20250929"
bool is_date(std::string_view text) {
    if (text.size() == 8) return is_number(text) && text.starts_with("20");
    return text.size() == 10 && text.starts_with("20") && text[4] == '-' && text[7] == '-' &&
           is_number(text.substr(0, 4)) && is_number(text.substr(5, 2)) && is_number(text.substr(8, 2));
}

// "gpt-5-2025-08-07" -> "gpt-5"; the same text where it ends with neither a date nor "-latest".
std::string_view without_date(std::string_view id) {
    if (id.ends_with("-latest")) return id.substr(0, id.size() - 7);
    for (const std::size_t length : {10, 8}) {
        if (id.size() < length + 2) continue;
        const char before = id[id.size() - length - 1];
        if ((before == '-' || (before == '@' && length == 8)) && is_date(id.substr(id.size() - length)))
            return id.substr(0, id.size() - length - 1);
    }
    return id;
}

// "claude-3-haiku-20240307-v1:0:200k" -> "claude-3-haiku-20240307-v1:0"
std::string_view without_size(std::string_view id) {
    const std::size_t colon = id.rfind(':');
    if (colon == std::string_view::npos || !id.ends_with('k')) return id;
    return is_number(id.substr(colon + 1, id.size() - colon - 2)) ? id.substr(0, colon) : id;
}

// "claude-3-haiku-20240307-v1:0" -> "claude-3-haiku-20240307"; "gpt-oss-120b-1:0" -> "gpt-oss-120b"
std::string_view without_version(std::string_view id) {
    std::string_view head = id;
    const std::size_t colon = id.rfind(':');
    const bool has_minor = colon != std::string_view::npos && is_number(id.substr(colon + 1));
    if (has_minor) head = id.substr(0, colon);
    const std::size_t dash = head.rfind('-');
    if (dash == std::string_view::npos) return head;
    const std::string_view last = head.substr(dash + 1);
    if (last.starts_with('v') && is_number(last.substr(1))) return head.substr(0, dash);
    return has_minor && is_number(last) ? head.substr(0, dash) : head;
}

// What an ARN names: of foundation models and inference profiles the id, of others nothing that we know.
std::string_view inside_arn(std::string_view id) {
    if (!id.starts_with("arn:")) return id;
    for (const std::string_view kind : {":foundation-model/", ":inference-profile/"})
        if (const std::size_t at = id.find(kind); at != std::string_view::npos) return id.substr(at + kind.size());
    return id;
}

std::string_view without_geography(std::string_view id) {
    constexpr std::array<std::string_view, 6> places{"us.", "eu.", "apac.", "au.", "jp.", "ca."};
    const auto* const found =
        std::ranges::find_if(places, [&](std::string_view place) { return id.starts_with(place); });
    return found == places.end() ? id : id.substr(found->size());
}

}  // namespace

std::vector<std::string> names_of_price(std::string_view name) {
    std::vector<std::string> names{std::string(name)};
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return names;
    std::string_view provider = name.substr(0, slash);
    const std::string_view id = name.substr(slash + 1);
    const auto add = [&](std::string_view with_id) {
        std::string next = std::string(provider) + '/' + std::string(with_id);
        if (std::ranges::find(names, next) == names.end()) names.push_back(std::move(next));
    };
    // The same provider first, so that a row of its own goes before its vendor's.
    if (!provider.starts_with("bedrock")) add(without_date(id));
    if (provider == "openai-responses") {
        provider = "openai";
        add(id);
        add(without_date(id));
    }
    if (provider != "bedrock" && provider != "bedrock-invoke") return names;
    if (provider == "bedrock-invoke") {
        provider = "bedrock";
        add(id);
    }
    const std::string_view sized = inside_arn(id);
    for (const std::string_view placed : {sized, without_geography(sized)}) {
        add(placed);
        const std::string_view plain = without_size(placed);
        add(plain);
        add(without_version(plain));
        add(without_date(without_version(plain)));
    }
    return names;
}

}  // namespace tertulia::billing
