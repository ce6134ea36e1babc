#include "tertulia/storage/dynamodb_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <stop_token>
#include <utility>

#include "tertulia/async/waiter.h"
#include "tertulia/base/json.h"

namespace tertulia::storage {

namespace json = boost::json;
using async::Task;
using base::Deadline;

namespace {

constexpr std::size_t batch_items = 25;
// DynamoDB takes 16 MB in one batch; smaller ones are answered sooner.
constexpr std::size_t batch_bytes = 2 << 20;

aws::ServiceError not_understood() {
    return {.message = "its answer is not understood", .status = 200};
}

void add(json::object& to, const json::object& more) {
    for (const auto& [name, value] : more) to[name] = value;
}

// Names and values of all expressions of one request together.
void put_names(json::object& body, json::object names, json::object values) {
    if (!names.empty()) body["ExpressionAttributeNames"] = std::move(names);
    if (!values.empty()) body["ExpressionAttributeValues"] = std::move(values);
}

std::optional<json::object> take_object(json::object& from, std::string_view name) {
    auto* member = from.if_contains(name);
    if (!member || !member->is_object()) return std::nullopt;
    return std::move(member->get_object());
}

DynamoItem take_item(json::object& from, std::string_view name) {
    return take_object(from, name).value_or(DynamoItem());
}

double units_of(const json::value& consumed) {
    const auto* object = consumed.if_object();
    const auto* units = object ? object->if_contains("CapacityUnits") : nullptr;
    return units && units->is_number() ? units->to_number<double>() : 0;
}

Task<void> pause(base::Milliseconds time) {
    const auto waiter = async::Waiter::make(co_await async::this_executor);
    co_await waiter->wait(Deadline::after(time));
}

}  // namespace

DynamoQuery query_of(std::string table, std::string_view pk, std::string_view sk_prefix) {
    DynamoQuery query{.table = std::move(table)};
    query.key = {.text = "pk = :p", .values = {{":p", dynamo_text(pk)}}};
    if (!sk_prefix.empty()) {
        query.key.text += " AND begins_with(sk, :k)";
        query.key.values[":k"] = dynamo_text(sk_prefix);
    }
    return query;
}

json::object put_request(DynamoItem item) {
    return {{"PutRequest", json::object{{"Item", std::move(item)}}}};
}

json::object delete_request(DynamoItem key) {
    return {{"DeleteRequest", json::object{{"Key", std::move(key)}}}};
}

Task<DynamoClient::Outcome<json::object>> DynamoClient::call(std::string_view operation, json::object body,
                                                             Deadline deadline) {
    auto answer = co_await service_.send(
        aws::json_request(fmt::format("DynamoDB_20120810.{}", operation), json::serialize(body)), {}, deadline);
    ++use_.requests;
    if (!answer) {
        if (auto failed = base::parse_json(answer.error().body); failed && failed->is_object())
            count(failed->get_object(), false);
        co_return std::unexpected(std::move(answer.error()));
    }
    use_.requests += answer->attempts - 1;
    auto parsed = base::parse_json(answer->body);
    if (!parsed || !parsed->is_object()) co_return std::unexpected(not_understood());
    count(parsed->get_object(), operation == "Query" || operation == "GetItem");
    co_return std::move(parsed->get_object());
}

void DynamoClient::count(const json::object& answer, bool reads) {
    const json::value* consumed = answer.if_contains("ConsumedCapacity");
    if (!consumed) return;
    double units = 0;
    if (const auto* list = consumed->if_array())
        for (const json::value& each : *list) units += units_of(each);
    else
        units = units_of(*consumed);
    (reads ? use_.read_units : use_.write_units) += units;
}

Task<DynamoClient::Outcome<DynamoPage>> DynamoClient::query(DynamoQuery query, Deadline deadline) {
    json::object body{{"TableName", query.table},
                      {"KeyConditionExpression", query.key.text},
                      {"ScanIndexForward", !query.newest_first},
                      {"ConsistentRead", query.strong},
                      {"ReturnConsumedCapacity", "TOTAL"}};
    if (query.limit > 0) body["Limit"] = query.limit;
    if (query.from) body["ExclusiveStartKey"] = std::move(*query.from);
    if (!query.projection.empty()) body["ProjectionExpression"] = query.projection;
    if (query.only_count) body["Select"] = "COUNT";
    if (!query.filter.text.empty()) body["FilterExpression"] = query.filter.text;
    add(query.key.names, query.filter.names);
    add(query.key.values, query.filter.values);
    put_names(body, std::move(query.key.names), std::move(query.key.values));
    auto answer = co_await call("Query", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    DynamoPage page;
    if (const auto* count = answer->if_contains("Count"); count && count->is_int64()) page.count = count->get_int64();
    if (auto* items = answer->if_contains("Items"); items && items->is_array())
        for (json::value& item : items->get_array())
            if (item.is_object()) page.items.push_back(std::move(item.get_object()));
    page.next = take_object(*answer, "LastEvaluatedKey");
    co_return page;
}

Task<DynamoClient::Outcome<std::optional<DynamoItem>>> DynamoClient::get(std::string table, DynamoItem key,
                                                                         Deadline deadline) {
    json::object body{
        {"TableName", table}, {"Key", std::move(key)}, {"ConsistentRead", true}, {"ReturnConsumedCapacity", "TOTAL"}};
    auto answer = co_await call("GetItem", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    co_return take_object(*answer, "Item");
}

Task<DynamoClient::Outcome<DynamoItem>> DynamoClient::put(std::string table, DynamoItem item,
                                                          std::optional<DynamoExpression> condition,
                                                          Deadline deadline) {
    json::object body{{"TableName", table}, {"Item", std::move(item)}, {"ReturnConsumedCapacity", "TOTAL"}};
    if (condition) {
        body["ConditionExpression"] = condition->text;
        body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD";
        put_names(body, std::move(condition->names), std::move(condition->values));
    }
    auto answer = co_await call("PutItem", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    co_return take_item(*answer, "Attributes");
}

Task<DynamoClient::Outcome<DynamoItem>> DynamoClient::update(std::string table, DynamoItem key, DynamoExpression update,
                                                             std::string condition, Deadline deadline, bool give_new) {
    json::object body{{"TableName", table},
                      {"Key", std::move(key)},
                      {"UpdateExpression", update.text},
                      {"ReturnValues", give_new ? "ALL_NEW" : "ALL_OLD"},
                      {"ReturnConsumedCapacity", "TOTAL"}};
    if (!condition.empty()) {
        body["ConditionExpression"] = condition;
        body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD";
    }
    put_names(body, std::move(update.names), std::move(update.values));
    auto answer = co_await call("UpdateItem", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    co_return take_item(*answer, "Attributes");
}

Task<DynamoClient::Outcome<DynamoItem>> DynamoClient::remove(std::string table, DynamoItem key,
                                                             std::optional<DynamoExpression> condition,
                                                             Deadline deadline) {
    json::object body{{"TableName", table},
                      {"Key", std::move(key)},
                      {"ReturnValues", "ALL_OLD"},
                      {"ReturnConsumedCapacity", "TOTAL"}};
    if (condition) {
        body["ConditionExpression"] = condition->text;
        put_names(body, std::move(condition->names), std::move(condition->values));
    }
    auto answer = co_await call("DeleteItem", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    co_return take_item(*answer, "Attributes");
}

Task<DynamoClient::Outcome<void>> DynamoClient::batch(std::string table, std::vector<json::object> requests,
                                                      Deadline deadline) {
    std::size_t next = 0;
    json::array left;
    for (int tries = 0; next < requests.size() || !left.empty();) {
        std::size_t bytes = 0;
        while (next < requests.size() && left.size() < batch_items && bytes < batch_bytes) {
            bytes += json::serialize(requests[next]).size();
            left.emplace_back(std::move(requests[next++]));
        }
        json::object body{{"RequestItems", json::object{{table, std::move(left)}}},
                          {"ReturnConsumedCapacity", "TOTAL"}};
        left = {};
        auto answer = co_await call("BatchWriteItem", std::move(body), deadline);
        if (!answer) co_return std::unexpected(std::move(answer.error()));
        auto* unprocessed = answer->if_contains("UnprocessedItems");
        auto* tables = unprocessed ? unprocessed->if_object() : nullptr;
        auto* of_table = tables ? tables->if_contains(table) : nullptr;
        if (!of_table || !of_table->is_array() || of_table->get_array().empty()) {
            tries = 0;
            continue;
        }
        left = std::move(of_table->get_array());
        const base::Milliseconds wait(50LL << std::min(tries++, 6));
        if (deadline.passed(std::chrono::steady_clock::now() + wait))
            co_return std::unexpected(aws::ServiceError{
                .code = "ThrottlingException", .message = "it does not take all of a batch", .status = 400});
        co_await pause(wait);
    }
    co_return Outcome<void>();
}

Task<DynamoClient::Outcome<void>> DynamoClient::put_if(std::string table, DynamoItem item, std::string item_condition,
                                                       std::string other_table, DynamoItem other_key,
                                                       DynamoExpression condition, std::string token,
                                                       Deadline deadline) {
    json::object put{{"TableName", table},
                     {"Item", std::move(item)},
                     {"ConditionExpression", item_condition},
                     {"ReturnValuesOnConditionCheckFailure", "ALL_OLD"}};
    json::object check{
        {"TableName", other_table}, {"Key", std::move(other_key)}, {"ConditionExpression", condition.text}};
    put_names(check, std::move(condition.names), std::move(condition.values));
    json::object body{{"TransactItems", json::array{json::object{{"Put", std::move(put)}},
                                                    json::object{{"ConditionCheck", std::move(check)}}}},
                      {"ReturnConsumedCapacity", "TOTAL"}};
    if (!token.empty()) body["ClientRequestToken"] = token;
    auto answer = co_await call("TransactWriteItems", std::move(body), deadline);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
    co_return Outcome<void>();
}

DynamoItem old_item(const aws::ServiceError& error) {
    auto body = base::parse_json(error.body);
    return body && body->is_object() ? take_item(body->get_object(), "Item") : DynamoItem();
}

std::optional<DynamoItem> transaction_failed_at(const aws::ServiceError& error, std::size_t number) {
    auto body = base::parse_json(error.body);
    auto* object = body ? body->if_object() : nullptr;
    auto* reasons = object ? object->if_contains("CancellationReasons") : nullptr;
    if (!reasons || !reasons->is_array() || reasons->get_array().size() <= number) return std::nullopt;
    auto* reason = reasons->get_array()[number].if_object();
    const auto* code = reason ? reason->if_contains("Code") : nullptr;
    if (!code || !code->is_string() || code->get_string() != "ConditionalCheckFailed") return std::nullopt;
    return take_item(*reason, "Item");
}

}  // namespace tertulia::storage
