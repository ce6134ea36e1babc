#include "tertulia/models/model_limits.h"

#include <algorithm>
#include <bit>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <cstring>

namespace tertulia::models {

extern const std::string_view models_json;  // models.json, embedded by the build

namespace {

constexpr std::size_t most_models = 1000;  // names come from clients
// Tokens of a prompt from which nothing is learnt: the fixed part of a request (roles, markers) would drown the text.
constexpr std::int64_t too_little = 64;

const boost::json::object& table() {
    static const boost::json::value parsed = boost::json::parse(boost::json::string_view(models_json));
    return parsed.as_object();
}

// Does `model` stand for `known` or a dated, tagged or sized edition of it ("gpt-4-0613" of "gpt-4")? What has another
// number after a dot is another model ("gpt-4.5").
bool is_edition_of(std::string_view model, std::string_view known) {
    if (!model.starts_with(known)) return false;
    if (model.size() == known.size()) return true;
    const char next = model[known.size()];
    return next == '-' || next == ':' || next == '@';
}

// The maker's own id in one of Bedrock's: "claude-sonnet-4-5-20250929-v1:0" of "us.anthropic.claude-sonnet-4-5-...",
// and of an ARN that ends with that. A word before a dot that has no digit is a place's or a maker's.
std::string_view without_maker(std::string_view model) {
    model.remove_prefix(model.rfind('/') + 1);  // npos + 1 is 0
    for (;;) {
        const std::size_t dot = model.find('.');
        if (dot == std::string_view::npos || dot == 0) return model;
        const auto is_of_a_name = [](char c) { return c == '-' || (c >= 'a' && c <= 'z'); };
        if (!std::ranges::all_of(model.substr(0, dot), is_of_a_name)) return model;
        model.remove_prefix(dot + 1);
    }
}

}  // namespace

ModelLimits::ModelLimits() {
    for (const auto& [name, window] : table().at("windows").as_object())
        table_.push_back({std::string(name), window.as_int64()});
    // The longest name first, so that "gpt-4-turbo-2024-04-09" is not taken for a "gpt-4".
    std::ranges::sort(table_, [](const Row& a, const Row& b) { return a.name.size() > b.name.size(); });
}

Limits ModelLimits::limits(std::string_view name, std::string_view model) const {
    const std::string_view own = without_maker(model);
    Limits limits;
    const auto row = std::ranges::find_if(table_, [&](const Row& known) { return is_edition_of(own, known.name); });
    if (row != table_.end()) limits = {.context_window = row->context_window, .known = true};
    const std::lock_guard lock(mutex_);
    if (const auto found = windows_.find(name); found != windows_.end())
        limits = {.context_window = found->second, .known = true};
    if (const auto told = told_windows_.find(name); told != told_windows_.end())
        if (told->second < limits.context_window) limits = {.context_window = told->second, .known = true};
    if (const auto refused = refused_.find(name); refused != refused_.end()) limits.refused_prompt = refused->second;
    return limits;
}

void ModelLimits::set_window(const std::string& name, std::int64_t context_window) {
    const std::lock_guard lock(mutex_);
    windows_[name] = context_window;
}

std::int64_t ModelLimits::estimate(std::string_view name, std::int64_t plain_estimate) const {
    const std::lock_guard lock(mutex_);
    const auto found = corrections_.find(name);
    if (found == corrections_.end()) return plain_estimate;
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(plain_estimate) * found->second));
}

void ModelLimits::lower_window(const std::string& name, std::int64_t context_window) {
    const std::lock_guard lock(mutex_);
    if (told_windows_.size() < most_models || told_windows_.contains(name)) told_windows_[name] = context_window;
}

void ModelLimits::was_too_long(const std::string& name, std::int64_t plain_estimate) {
    if (plain_estimate < too_little) return;
    const std::lock_guard lock(mutex_);
    if (const auto known = refused_.find(name); known != refused_.end())
        known->second = std::min(known->second, plain_estimate);
    else if (refused_.size() < most_models)
        refused_.emplace(name, plain_estimate);
}

void ModelLimits::learn(const std::string& name, std::int64_t plain_estimate, std::int64_t reported) {
    if (plain_estimate < too_little || reported <= 0) return;
    const double seen = std::clamp(static_cast<double>(reported) / static_cast<double>(plain_estimate), 0.3, 3.0);
    const std::lock_guard lock(mutex_);
    if (const auto refused = refused_.find(name); refused != refused_.end() && plain_estimate >= refused->second)
        refused_.erase(refused);
    if (const auto found = corrections_.find(name); found != corrections_.end())
        found->second += (seen - found->second) / 4;
    else if (corrections_.size() < most_models)
        corrections_.emplace(name, seen);
}

void TextSize::add(std::string_view text) {
    // Eight bytes at a time: each prompt is counted, and no compiler makes that of a loop over bytes.
    constexpr std::uint64_t high_bits = 0x8080808080808080;
    std::int64_t others = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (; end - at >= 8; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        others += std::popcount(word & high_bits);
    }
    for (; at != end; ++at) others += static_cast<unsigned char>(*at) >> 7;
    others_ += others;
    ascii_ += std::ssize(text) - others;
}

std::int64_t estimate_tokens(std::string_view text) {
    TextSize size;
    size.add(text);
    return size.tokens();
}

std::string default_model(std::string_view provider) {
    const auto& defaults = table().at("defaults").as_object();
    const auto* found = defaults.if_contains(boost::json::string_view(provider));
    return found ? std::string(found->as_string()) : std::string();
}

}  // namespace tertulia::models
