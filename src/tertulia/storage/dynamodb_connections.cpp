#include "tertulia/storage/dynamodb_connections.h"

#include <boost/json/array.hpp>
#include <chrono>
#include <utility>

namespace tertulia::storage {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using async::Task;
using base::Result;
using sessions::SocketConnection;

constexpr std::string_view id_prefix = "W#", subscription_prefix = "s#";
constexpr std::string_view sort_key = "c";
constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::chrono::seconds limit = 10s;

DynamoItem key_of(std::string_view id) {
    return {{"pk", dynamo_text(std::string(id_prefix) + std::string(id))}, {"sk", dynamo_text(sort_key)}};
}

std::string subscription_name(std::string_view session_id) {
    return std::string(subscription_prefix) + std::string(session_id);
}

std::unexpected<base::Error> failed(const aws::ServiceError& error) {
    base::Error ours = aws::to_error(error, "DynamoDB");
    ours.code = base::Errc::unavailable;
    return std::unexpected(std::move(ours));
}

}  // namespace

DynamoItem connection_item(const SocketConnection& connection, std::int64_t expires_us) {
    DynamoItem item = key_of(connection.id);
    item["owner"] = dynamo_text(connection.owner);
    item["ttl"] = dynamo_number(expires_us / us_per_second);
    for (const auto& [session, number] : connection.subscriptions)
        item[subscription_name(session)] = dynamo_text(number);
    if (!connection.own_turns.empty()) {
        json::array turns;
        for (const std::string& turn : connection.own_turns) turns.emplace_back(turn);
        item["own"] = json::object{{"SS", std::move(turns)}};
    }
    return item;
}

std::optional<SocketConnection> connection_of(const DynamoItem& item, std::int64_t now_us) {
    const std::string_view id = text_of(item, "pk");
    if (!id.starts_with(id_prefix) || number_of(item, "ttl").value_or(0) * us_per_second <= now_us) return std::nullopt;
    SocketConnection connection{.id = std::string(id.substr(id_prefix.size())),
                                .owner = std::string(text_of(item, "owner")),
                                .subscriptions = {},
                                .own_turns = {}};
    for (const json::key_value_pair& attribute : item) {
        const std::string_view name(attribute.key());
        if (name.starts_with(subscription_prefix))
            connection.subscriptions.emplace(name.substr(subscription_prefix.size()), text_of(item, name));
    }
    const json::value* own = item.if_contains("own");
    const json::value* turns = own && own->is_object() ? own->get_object().if_contains("SS") : nullptr;
    if (turns && turns->is_array())
        for (const json::value& turn : turns->get_array())
            if (turn.is_string()) connection.own_turns.emplace(std::string_view(turn.get_string()));
    return connection;
}

Task<Result<void>> DynamoConnections::add(SocketConnection connection, std::int64_t expires_us) {
    const auto put = co_await client_.put(table_, connection_item(connection, expires_us), std::nullopt,
                                          base::Deadline::after(limit));
    if (!put) co_return failed(put.error());
    co_return Result<void>();
}

Task<Result<void>> DynamoConnections::remove(std::string id) {
    const auto removed = co_await client_.remove(table_, key_of(id), std::nullopt, base::Deadline::after(limit));
    if (!removed) co_return failed(removed.error());
    co_return Result<void>();
}

Task<Result<std::optional<SocketConnection>>> DynamoConnections::find(std::string id) {
    const auto item = co_await client_.get(table_, key_of(id), base::Deadline::after(limit));
    if (!item) co_return failed(item.error());
    if (!*item) co_return std::nullopt;
    co_return connection_of(**item, clock_.wall_us());
}

Task<Result<bool>> DynamoConnections::subscribe(std::string id, std::string session_id, std::string number) {
    DynamoExpression update{.text = number.empty() ? "REMOVE #s" : "SET #s = :n",
                            .names = {{"#s", subscription_name(session_id)}}};
    if (!number.empty()) update.values[":n"] = dynamo_text(number);
    const auto updated = co_await client_.update(table_, key_of(id), std::move(update), "attribute_exists(pk)",
                                                 base::Deadline::after(limit));
    if (!updated && condition_failed(updated.error())) co_return false;
    if (!updated) co_return failed(updated.error());
    co_return true;
}

Task<Result<void>> DynamoConnections::note_turn(std::string id, std::string session_id, std::string turn_id) {
    const auto updated = co_await client_.update(table_, key_of(id),
                                                 {.text = "ADD own :t",
                                                  .names = {{"#s", subscription_name(session_id)}},
                                                  .values = {{":t", json::object{{"SS", json::array{turn_id}}}}}},
                                                 "attribute_exists(#s)", base::Deadline::after(limit));
    if (!updated && !condition_failed(updated.error())) co_return failed(updated.error());
    co_return Result<void>();
}

}  // namespace tertulia::storage
