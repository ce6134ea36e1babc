#include "tertulia/storage/sqlite_ledger.h"

#include <fmt/format.h>

#include <string>

#include "tertulia/base/clock.h"
#include "tertulia/base/date_text.h"
#include "tertulia/storage/sqlite_rows.h"

namespace tertulia::storage {

using sessions::UsageGroup;
using sessions::UsageRow;
using View = std::string_view;

namespace {

constexpr std::int64_t day_us = 86'400'000'000;

std::int64_t time_of(View ended_at) {
    return base::parse_rfc3339(ended_at).value_or(0);
}

// In the order of read_row.
constexpr View sums =
    "count(DISTINCT CASE WHEN hedge = 0 THEN turn_id END), "
    "sum(CASE WHEN hedge = 0 THEN input_tokens ELSE 0 END), "
    "sum(CASE WHEN hedge = 0 THEN cache_read_tokens ELSE 0 END), "
    "sum(CASE WHEN hedge = 0 THEN cache_write_tokens + cache_write_long_tokens ELSE 0 END), "
    "sum(CASE WHEN hedge = 0 THEN output_tokens ELSE 0 END), "
    "sum(CASE WHEN hedge = 0 THEN reasoning_tokens ELSE 0 END), "
    "sum(CASE WHEN hedge = 0 THEN coalesce(cost_nano, 0) ELSE 0 END), "
    "sum(CASE WHEN hedge = 1 THEN coalesce(cost_nano, 0) ELSE 0 END), "
    "count(DISTINCT CASE WHEN cost_nano IS NULL THEN turn_id END)";

View column_of(UsageGroup group) {
    switch (group) {
        case UsageGroup::session:
            return "session_id";
        case UsageGroup::owner:
            return "owner";
        case UsageGroup::model:
            return "model";
        case UsageGroup::day:
            return "ended_at / 86400000000";
    }
    return "owner";
}

void set_group(UsageRow& row, UsageGroup group, const SqliteStatement::Rows& rows, int column) {
    switch (group) {
        case UsageGroup::session:
            row.session_id = rows.text(column);
            break;
        case UsageGroup::owner:
            row.owner = rows.text(column);
            break;
        case UsageGroup::model:
            row.model = rows.text(column);
            break;
        case UsageGroup::day:
            row.day = base::format_timestamp(rows.integer(column) * day_us).substr(0, 10);
            break;
    }
}

UsageRow read_row(const SqliteStatement::Rows& rows, const std::vector<UsageGroup>& groups) {
    UsageRow row;
    int column = 0;
    for (const UsageGroup group : groups) set_group(row, group, rows, column++);
    for (std::int64_t* const member :
         {&row.turns, &row.input_tokens, &row.cache_read_tokens, &row.cache_write_tokens, &row.output_tokens,
          &row.reasoning_tokens, &row.cost_nano, &row.hedge_nano, &row.unpriced_turns})
        *member = rows.integer(column++);
    return row;
}

std::string sql_of(const std::vector<UsageGroup>& groups) {
    std::string columns;
    for (const UsageGroup group : groups) columns += fmt::format("{}{}", columns.empty() ? "" : ", ", column_of(group));
    const std::string_view comma = groups.empty() ? "" : ", ";
    std::string sql = fmt::format(
        "SELECT {}{}{} FROM ledger WHERE owner = ?1 AND ended_at >= ?2 AND ended_at < ?3 "
        "AND (?4 = '' OR session_id = ?4)",
        columns, comma, sums);
    if (!groups.empty()) sql += fmt::format(" GROUP BY {0} ORDER BY {0} LIMIT ?5", columns);
    return sql;
}

}  // namespace

SqliteLedger::SqliteLedger(SqliteDatabase& database)
    : insert_(database,
              "INSERT INTO ledger (owner, ended_at, session_id, turn_id, number, model, input_tokens, "
              "cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens, reasoning_tokens, "
              "usage_estimated, cost_nano, hedge, price_version) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"),
      find_(database, "SELECT 1 FROM ledger WHERE owner = ?1 AND ended_at >= ?2 AND turn_id = ?3 LIMIT 1") {}

void SqliteLedger::add(const sessions::TurnName& turn, View ended_at, std::span<const billing::Bill> bills) {
    std::int64_t number = 0;
    for (const billing::Bill& bill : bills) {
        const chat::Usage& usage = bill.usage;
        insert_.run(View(turn.key.owner), time_of(ended_at), View(turn.key.session_id), View(turn.turn_id), ++number,
                    View(bill.model), usage.input, usage.cache_read, usage.cache_write, usage.cache_write_long,
                    usage.output, usage.reasoning, estimated_parts(usage), bill.cost_nano,
                    std::int64_t{bill.is_hedge ? 1 : 0}, TextOrNull{bill.price_version});
    }
}

bool SqliteLedger::has(const sessions::TurnName& turn, View ended_at) {
    return find_.query(View(turn.key.owner), time_of(ended_at) - day_us, View(turn.turn_id)).next();
}

sessions::UsageReport read_usage(SqliteDatabase& database, const sessions::UsageQuery& query) {
    sessions::UsageReport report;
    {
        SqliteStatement total(database, sql_of({}));
        auto rows = total.query(View(query.owner), query.from_us, query.to_us, View(query.session_id));
        if (rows.next()) report.total = read_row(rows, {});
    }
    if (query.group_by.empty()) return report;
    SqliteStatement statement(database, sql_of(query.group_by));
    auto rows =
        statement.query(View(query.owner), query.from_us, query.to_us, View(query.session_id), query.max_rows + 1);
    while (rows.next()) report.rows.push_back(read_row(rows, query.group_by));
    report.more = std::ssize(report.rows) > query.max_rows;
    if (report.more) report.rows.pop_back();
    return report;
}

}  // namespace tertulia::storage
