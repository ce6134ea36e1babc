#include "tertulia/storage/dynamodb_item.h"

#include <boost/json/value.hpp>
#include <charconv>

#include "tertulia/base/base64.h"

namespace tertulia::storage {
namespace {

std::optional<std::string_view> value_of(const DynamoItem& item, std::string_view name, std::string_view type) {
    const auto* attribute = item.if_contains(name);
    const auto* object = attribute ? attribute->if_object() : nullptr;
    const auto* value = object ? object->if_contains(type) : nullptr;
    const auto* text = value ? value->if_string() : nullptr;
    if (!text) return std::nullopt;
    return std::string_view(text->data(), text->size());
}

}  // namespace

boost::json::object dynamo_text(std::string_view text) {
    return {{"S", text}};
}
boost::json::object dynamo_number(std::int64_t number) {
    return {{"N", std::to_string(number)}};
}
boost::json::object dynamo_bytes(std::string_view bytes) {
    return {{"B", base::encode_base64(bytes)}};
}

std::string_view text_of(const DynamoItem& item, std::string_view name) {
    return value_of(item, name, "S").value_or(std::string_view());
}

std::optional<std::int64_t> number_of(const DynamoItem& item, std::string_view name) {
    const auto text = value_of(item, name, "N");
    std::int64_t number = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{})
        return std::nullopt;
    return number;
}

std::string bytes_of(const DynamoItem& item, std::string_view name) {
    const auto text = value_of(item, name, "B");
    return text ? base::decode_base64(*text).value_or(std::string()) : std::string();
}

}  // namespace tertulia::storage
