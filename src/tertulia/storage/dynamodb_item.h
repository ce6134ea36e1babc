// DynamoDB's items, as its JSON has them.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::storage {

/// Attributes by name, each `{"S": "text"}`, `{"N": "12"}` or `{"B": "base64"}`.
using DynamoItem = boost::json::object;

boost::json::object dynamo_text(std::string_view text);
boost::json::object dynamo_number(std::int64_t number);
boost::json::object dynamo_bytes(std::string_view bytes);

/// What an attribute holds; empty, or nothing, where it is missing or of another type (people and other programs write
/// too). Pure.
std::string_view text_of(const DynamoItem& item, std::string_view name);
std::optional<std::int64_t> number_of(const DynamoItem& item, std::string_view name);
std::string bytes_of(const DynamoItem& item, std::string_view name);

}  // namespace tertulia::storage
