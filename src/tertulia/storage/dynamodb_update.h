// Builds UpdateExpressions.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/storage/dynamodb_client.h"

namespace tertulia::storage {

/// `SET ... REMOVE ... ADD ...`, with a placeholder for every name (many that one would choose are reserved words).
/// Value.
class DynamoUpdate {
  public:
    DynamoUpdate& set(std::string_view name, boost::json::object value) {
        set_.append(set_.empty() ? "SET " : ", ")
            .append(alias(name))
            .append(" = ")
            .append(keep(name, std::move(value)));
        return *this;
    }
    /// Only where it is not there yet.
    DynamoUpdate& set_once(std::string_view name, boost::json::object value) {
        const std::string n = alias(name);
        set_.append(set_.empty() ? "SET " : ", ").append(n).append(" = if_not_exists(").append(n).append(", ");
        set_.append(keep(name, std::move(value))).append(")");
        return *this;
    }
    /// One more than it was; `first` where it is not there yet.
    DynamoUpdate& count_up(std::string_view name, std::int64_t first) {
        const std::string n = alias(name);
        set_.append(set_.empty() ? "SET " : ", ").append(n).append(" = if_not_exists(").append(n).append(", ");
        set_.append(keep(name, dynamo_number(first))).append(") + :one");
        values_[":one"] = dynamo_number(1);
        return *this;
    }
    /// So much more than it was, or than nothing.
    DynamoUpdate& add(std::string_view name, std::int64_t more) {
        const std::string placeholder = ":add_" + plain(name);
        values_[placeholder] = dynamo_number(more);
        add_.append(add_.empty() ? " ADD " : ", ").append(alias(name)).append(" ").append(placeholder);
        return *this;
    }
    DynamoUpdate& remove(std::string_view name) {
        remove_.append(remove_.empty() ? " REMOVE " : ", ").append(alias(name));
        return *this;
    }

    /// For conditions: what stands for an attribute, and for a value.
    std::string alias(std::string_view name) {
        const std::string placeholder = "#" + plain(name);
        names_[placeholder] = name;
        return placeholder;
    }
    std::string value(std::string_view placeholder, boost::json::object value) {
        values_[placeholder] = std::move(value);
        return std::string(placeholder);
    }

    DynamoExpression done() && {
        return {.text = set_ + remove_ + add_, .names = std::move(names_), .values = std::move(values_)};
    }

  private:
    std::string keep(std::string_view name, boost::json::object value) {
        const std::string placeholder = ":" + plain(name);
        values_[placeholder] = std::move(value);
        return placeholder;
    }

    // Placeholders take letters, digits and underscores.
    static std::string plain(std::string_view name) {
        std::string result(name);
        for (char& c : result)
            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '_';
        return result;
    }

    std::string set_;
    std::string add_;
    std::string remove_;
    boost::json::object names_;
    boost::json::object values_;
};

}  // namespace tertulia::storage
