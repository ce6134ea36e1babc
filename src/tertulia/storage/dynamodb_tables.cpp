#include "tertulia/storage/dynamodb_tables.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "tertulia/async/waiter.h"

namespace tertulia::storage {

namespace json = boost::json;
using async::Task;
using base::Deadline;
using base::Result;

namespace {

constexpr base::Milliseconds between_looks{200};

std::unexpected<base::Error> failed(const aws::ServiceError& error) {
    return std::unexpected(aws::to_error(error, "DynamoDB"));
}

json::object described(const std::string& table, const char* partition, const char* sort) {
    const auto attribute = [](const char* name) {
        return json::object{{"AttributeName", name}, {"AttributeType", "S"}};
    };
    const auto key = [](const char* name, const char* type) {
        return json::object{{"AttributeName", name}, {"KeyType", type}};
    };
    return {{"TableName", table},
            {"AttributeDefinitions", json::array{attribute(partition), attribute(sort)}},
            {"KeySchema", json::array{key(partition, "HASH"), key(sort, "RANGE")}},
            {"BillingMode", "PAY_PER_REQUEST"}};
}

std::string text_at(const json::object& from, std::initializer_list<std::string_view> path) {
    const json::object* object = &from;
    const json::value* value = nullptr;
    for (const std::string_view name : path) {
        value = object ? object->if_contains(name) : nullptr;
        object = value ? value->if_object() : nullptr;
    }
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

Task<Result<void>> wait_until_active(DynamoClient& client, const std::string& table, const json::object& wanted,
                                     Deadline deadline) {
    for (;;) {
        const auto there = co_await client.call("DescribeTable", {{"TableName", table}}, deadline);
        if (!there) co_return failed(there.error());
        if (text_at(*there, {"Table", "TableStatus"}) == "ACTIVE") {
            const auto* keys = there->at("Table").as_object().if_contains("KeySchema");
            if (!keys || json::serialize(*keys) != json::serialize(wanted.at("KeySchema")))
                co_return base::fail(
                    base::Errc::conflict,
                    fmt::format("There is a table \"{}\" with other keys; choose another name", table));
            co_return Result<void>();
        }
        if (deadline.passed(std::chrono::steady_clock::now()))
            co_return base::fail(base::Errc::timed_out, fmt::format("The table \"{}\" was not ready in time", table));
        const auto waiter = async::Waiter::make(co_await async::this_executor);
        co_await waiter->wait(Deadline::after(between_looks));
    }
}

Task<Result<void>> enable_ttl(DynamoClient& client, const std::string& table, Deadline deadline) {
    // An attempt whose answer was lost may have done it: then doing it again is an error, and looking again is not.
    for (bool is_first = true;; is_first = false) {
        const auto there = co_await client.call("DescribeTimeToLive", {{"TableName", table}}, deadline);
        if (!there) co_return failed(there.error());
        const std::string status = text_at(*there, {"TimeToLiveDescription", "TimeToLiveStatus"});
        if (status == "ENABLED" || status == "ENABLING") co_return Result<void>();
        const auto done = co_await client.call(
            "UpdateTimeToLive",
            {{"TableName", table},
             {"TimeToLiveSpecification", json::object{{"Enabled", true}, {"AttributeName", "ttl"}}}},
            deadline);
        if (done) co_return Result<void>();
        if (!is_first || !done.error().is("ValidationException")) co_return failed(done.error());
    }
}

Task<Result<std::string>> create_table(DynamoClient& client, const std::string& table, json::object wanted,
                                       Deadline deadline) {
    const auto made = co_await client.call("CreateTable", wanted, deadline);
    if (!made && !made.error().is("ResourceInUseException")) co_return failed(made.error());
    if (auto active = co_await wait_until_active(client, table, wanted, deadline); !active)
        co_return std::unexpected(active.error());
    if (auto enabled = co_await enable_ttl(client, table, deadline); !enabled)
        co_return std::unexpected(enabled.error());
    co_return fmt::format("{}: {}\n", table, made ? "made" : "is there already");
}

}  // namespace

Task<Result<std::string>> create_tables(DynamoClient& client, DynamoTables tables, Deadline deadline) {
    auto sessions =
        co_await create_table(client, tables.sessions, described(tables.sessions, "session_id", "timestamp"), deadline);
    if (!sessions) co_return sessions;
    auto meta = co_await create_table(client, tables.meta, described(tables.meta, "pk", "sk"), deadline);
    if (!meta) co_return meta;
    co_return *sessions + *meta;
}

}  // namespace tertulia::storage
