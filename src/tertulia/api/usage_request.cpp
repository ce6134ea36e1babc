#include "tertulia/api/usage_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "tertulia/base/date_text.h"
#include "tertulia/base/json.h"
#include "tertulia/billing/money.h"

namespace tertulia::api {

using sessions::UsageGroup;
using sessions::UsageReport;
using sessions::UsageRow;

namespace {

constexpr std::string_view unpriced = "unpriced_turns";

std::unexpected<base::Error> wrong(std::string message) {
    return base::fail(base::Errc::invalid_request, std::move(message));
}

base::Result<std::vector<UsageGroup>> parse_groups(std::string_view text) {
    std::vector<UsageGroup> groups;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const auto group = sessions::parse_usage_group(text.substr(0, comma));
        if (!group || comma + 1 == text.size())
            return wrong("'group_by' must be one or more of session, owner, model and day, separated by commas.");
        if (std::ranges::find(groups, *group) == groups.end()) groups.push_back(*group);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return groups;
}

base::Result<std::int64_t> parse_time(std::string_view name, std::string text) {
    constexpr std::size_t date_size = 10;
    if (text.size() == date_size) text += "T00:00:00Z";
    std::ranges::replace(text, ' ', '+');  // an offset's sign that was not escaped
    const auto us = base::parse_rfc3339(text);
    if (!us)
        return wrong(
            fmt::format("'{}' must be a date or a time, such as 2024-11-22 or 2024-11-22T10:30:00Z (UTC).", name));
    return *us;
}

// Members or columns of a row, without its groups: name and value.
std::vector<std::pair<std::string_view, std::string>> figures(const UsageRow& row, bool with_unpriced) {
    std::vector<std::pair<std::string_view, std::string>> all{
        {"turns", std::to_string(row.turns)},
        {"input_tokens", std::to_string(row.input_tokens)},
        {"cache_read_tokens", std::to_string(row.cache_read_tokens)},
        {"cache_write_tokens", std::to_string(row.cache_write_tokens)},
        {"output_tokens", std::to_string(row.output_tokens)},
        {"reasoning_tokens", std::to_string(row.reasoning_tokens)},
        {"usd", billing::format_usd(row.cost_nano)},
        {"hedge_usd", billing::format_usd(row.hedge_nano)}};
    if (with_unpriced) all.emplace_back(unpriced, std::to_string(row.unpriced_turns));
    return all;
}

const std::string& value_of(const UsageRow& row, UsageGroup group) {
    switch (group) {
        case UsageGroup::session:
            return row.session_id;
        case UsageGroup::owner:
            return row.owner;
        case UsageGroup::model:
            return row.model;
        case UsageGroup::day:
            return row.day;
    }
    return row.owner;
}

void append_row(std::string& out, const UsageRow& row, const std::vector<UsageGroup>& groups) {
    out += '{';
    for (const UsageGroup group : groups) {
        base::append_json_name(out, sessions::to_string(group));
        base::append_json_string(out, value_of(row, group));
        out += ',';
    }
    for (const auto& [name, value] : figures(row, row.unpriced_turns > 0)) {
        base::append_json_name(out, name);
        const std::string_view quote = name.ends_with("usd") ? "\"" : "";
        out += fmt::format("{0}{1}{0},", quote, value);
    }
    out.back() = '}';
}

std::vector<UsageRow> rows_of(const UsageReport& report, const std::vector<UsageGroup>& groups) {
    return groups.empty() ? std::vector{report.total} : report.rows;
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
}

}  // namespace

base::Result<UsageRequest> parse_usage_request(const http::Request& request) {
    UsageRequest asked;
    auto groups = parse_groups(request.query("group_by").value_or(""));
    if (!groups) return std::unexpected(std::move(groups.error()));
    asked.query.group_by = std::move(*groups);
    for (const auto& [name, us] : {std::pair("from", &asked.query.from_us), std::pair("to", &asked.query.to_us)}) {
        const std::string text = request.query(name).value_or("");
        if (text.empty()) continue;
        const auto time = parse_time(name, text);
        if (!time) return std::unexpected(time.error());
        *us = *time;
    }
    if (asked.query.from_us > asked.query.to_us) return wrong("'from' must not be later than 'to'.");
    const std::string format = request.query("format").value_or("json");
    asked.as_csv = format == "csv";
    if (!asked.as_csv && format != "json") return wrong("'format' must be json or csv.");
    return asked;
}

std::string usage_json(const UsageReport& report, const std::vector<UsageGroup>& groups) {
    std::string out = "{\"rows\":[";
    for (const UsageRow& row : rows_of(report, groups)) {
        if (out.back() == '}') out += ',';
        append_row(out, row, groups);
    }
    out += "],\"total\":";
    append_row(out, report.total, {});
    out += '}';
    return out;
}

std::string usage_csv(const UsageReport& report, const std::vector<UsageGroup>& groups) {
    const bool with_unpriced = report.total.unpriced_turns > 0;
    std::string out;
    for (const UsageGroup group : groups) out += fmt::format("{},", sessions::to_string(group));
    for (const auto& [name, value] : figures(report.total, with_unpriced)) out += fmt::format("{},", name);
    out.back() = '\r';
    out += '\n';
    for (const UsageRow& row : rows_of(report, groups)) {
        for (const UsageGroup group : groups) out += csv_field(value_of(row, group)) + ',';
        for (const auto& [name, value] : figures(row, with_unpriced)) out += value + ',';
        out.back() = '\r';
        out += '\n';
    }
    return out;
}

}  // namespace tertulia::api
