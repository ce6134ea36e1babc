#include "tertulia/cli/usage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <vector>

#include "tertulia/base/json.h"

namespace tertulia::cli {
namespace {

namespace json = boost::json;

// Of the answer's figures: how the table calls them, and whether they stand there in any case.
struct Figure {
    std::string_view member;
    std::string_view heading;
    bool is_always_there;
};
constexpr std::array<Figure, 9> figures{{{"turns", "turns", true},
                                         {"input_tokens", "input", true},
                                         {"cache_read_tokens", "cache read", false},
                                         {"cache_write_tokens", "cache write", false},
                                         {"output_tokens", "output", true},
                                         {"reasoning_tokens", "reasoning", false},
                                         {"usd", "usd", true},
                                         {"hedge_usd", "hedge usd", false},
                                         {"unpriced_turns", "without price", false}}};

struct Column {
    std::string heading;
    bool is_number = false;
    std::vector<std::string> cells = {};
    std::size_t width = 0;
};

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
    return out;
}

std::string cell_of(const json::object& row, std::string_view member) {
    const json::value* value = row.if_contains(member);
    if (!value) return "";
    if (const auto* number = value->if_int64()) return std::to_string(*number);
    if (const auto* text = value->if_string()) return printable({text->data(), text->size()});
    return "";
}

bool is_zero(std::string_view cell) {
    return cell.find_first_not_of("0.") == std::string_view::npos;
}

std::vector<Column> columns_of(const json::array& rows, const json::object& total) {
    std::vector<Column> columns;
    for (const std::string_view group : {"session", "owner", "model", "day"})
        if (!rows.empty() && rows.front().is_object() && rows.front().as_object().contains(group))
            columns.push_back({.heading = std::string(group)});
    const std::size_t groups = columns.size();
    for (const Figure& figure : figures)
        if (figure.is_always_there || !is_zero(cell_of(total, figure.member)))
            columns.push_back({.heading = std::string(figure.heading), .is_number = true});
    const auto add = [&](const json::object& row, bool is_total) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            Column& column = columns[i];
            if (i < groups) {
                column.cells.push_back(is_total ? (i == 0 ? "total" : "") : cell_of(row, column.heading));
                continue;
            }
            const auto* const figure = std::ranges::find(figures, column.heading, &Figure::heading);
            const std::string cell = cell_of(row, figure->member);
            column.cells.push_back(cell.empty() ? "0" : cell);
        }
    };
    // Without groups the one row is the total.
    if (groups > 0)
        for (const json::value& row : rows)
            if (const json::object* members = row.if_object()) add(*members, false);
    add(total, true);
    return columns;
}

}  // namespace

base::Result<std::string> usage_table(std::string_view answer) {
    const auto parsed = base::parse_json(answer);
    const json::object* report = parsed ? parsed->if_object() : nullptr;
    const json::value* rows = report ? report->if_contains("rows") : nullptr;
    const json::value* total = report ? report->if_contains("total") : nullptr;
    if (!rows || !rows->is_array() || !total || !total->is_object())
        return base::fail(base::Errc::upstream_rejected, "The answer is not a report of usage");
    std::vector<Column> columns = columns_of(rows->as_array(), total->as_object());
    std::string out;
    const auto line = [&out, &columns](const auto& cell_of_column) {
        std::string text;
        for (const Column& column : columns) {
            const std::string& cell = cell_of_column(column);
            text += column.is_number ? fmt::format("{:>{}}  ", cell, column.width)
                                     : fmt::format("{:<{}}  ", cell, column.width);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += text + '\n';
    };
    for (Column& column : columns) {
        column.width = column.heading.size();
        for (const std::string& cell : column.cells) column.width = std::max(column.width, cell.size());
    }
    line([](const Column& column) -> const std::string& { return column.heading; });
    for (std::size_t i = 0; i < columns.front().cells.size(); ++i)
        line([i](const Column& column) -> const std::string& { return column.cells[i]; });
    return out;
}

}  // namespace tertulia::cli
