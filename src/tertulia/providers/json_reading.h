// Short forms for looking into a parsed answer. For .cpp files only: it brings all of simdjson.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace tertulia::providers {

namespace dom = simdjson::dom;

/// The string member `name`; nothing where it is missing, null or something else.
inline std::optional<std::string_view> text_in(const dom::object& object, std::string_view name) {
    std::string_view text;
    if (object.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
    return text;
}

inline std::string_view text_or(const dom::object& object, std::string_view name, std::string_view otherwise = {}) {
    return text_in(object, name).value_or(otherwise);
}

/// The member `name` as a count: a number that is not negative, without its fraction.
inline std::optional<std::int64_t> count_in(const dom::object& object, std::string_view name) {
    constexpr std::int64_t max_count = std::int64_t(1) << 53;
    std::int64_t count = 0;
    double number = 0;
    if (object.at_key(name).get(count) == simdjson::SUCCESS) return count < 0 || count > max_count ? 0 : count;
    if (object.at_key(name).get(number) == simdjson::SUCCESS)
        return number >= 0 && number <= static_cast<double>(max_count) ? static_cast<std::int64_t>(number) : 0;
    return std::nullopt;
}

inline std::optional<dom::object> object_in(const dom::object& object, std::string_view name) {
    dom::object member;
    if (object.at_key(name).get(member) != simdjson::SUCCESS) return std::nullopt;
    return member;
}

inline std::optional<dom::array> array_in(const dom::object& object, std::string_view name) {
    dom::array member;
    if (object.at_key(name).get(member) != simdjson::SUCCESS) return std::nullopt;
    return member;
}

/// The member `name` unless it says nothing: missing, null, false, 0, an empty text, list or object.
inline std::optional<dom::element> something_in(const dom::object& object, std::string_view name) {
    dom::element member;
    if (object.at_key(name).get(member) != simdjson::SUCCESS) return std::nullopt;
    switch (member.type()) {
        case dom::element_type::NULL_VALUE:
            return std::nullopt;
        case dom::element_type::BOOL:
            return bool(member) ? std::optional(member) : std::nullopt;
        case dom::element_type::STRING:
            return std::string_view(member).empty() ? std::nullopt : std::optional(member);
        case dom::element_type::OBJECT:
            return dom::object(member).size() == 0 ? std::nullopt : std::optional(member);
        case dom::element_type::ARRAY:
            return dom::array(member).size() == 0 ? std::nullopt : std::optional(member);
        default:
            return double(member) == 0 ? std::nullopt : std::optional(member);
    }
}

}  // namespace tertulia::providers
