#include "tertulia/storage/dynamodb_connections.h"

#include <chrono>
#include <utility>

namespace tertulia::storage {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Result;
using sessions::SessionKey;
using sessions::SocketSubscription;

constexpr std::string_view prefix = "W#", session_prefix = "s#", turn_prefix = "t#";
constexpr std::string_view connection_sort_key = "c";
constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::chrono::seconds limit = 10s;

std::string joined(std::string_view a, std::string_view b) {
    return std::string(a).append(b);
}

DynamoItem key_of(std::string_view pk, std::string_view sk) {
    return {{"pk", dynamo_text(joined(prefix, pk))}, {"sk", dynamo_text(sk)}};
}

DynamoItem connection_key(std::string_view connection_id) {
    return key_of(connection_id, connection_sort_key);
}

// No connection's id has a `|`.
std::string name_of(const SessionKey& key) {
    return key.owner + "|" + key.session_id;
}

DynamoItem subscription_key(std::string_view connection_id, const SessionKey& key) {
    return key_of(name_of(key), connection_id);
}

DynamoItem claim_key(const SocketSubscription& subscription, std::string_view turn_id) {
    return key_of(subscription.connection_id, joined(turn_prefix, turn_id));
}

// How far the subscriber was told, in this subscription.
std::uint32_t told_of(const DynamoItem& claim, const SocketSubscription& subscription) {
    if (text_of(claim, "told_of") != subscription.number) return 0;
    return static_cast<std::uint32_t>(number_of(claim, "told").value_or(0));
}

std::unexpected<base::Error> failed(const aws::ServiceError& error) {
    base::Error ours = aws::to_error(error, "DynamoDB");
    ours.code = base::Errc::unavailable;
    return std::unexpected(std::move(ours));
}

}  // namespace

DynamoItem subscription_item(const SocketSubscription& subscription) {
    DynamoItem item = subscription_key(subscription.connection_id, subscription.key);
    item["address"] = dynamo_text(subscription.address);
    item["number"] = dynamo_text(subscription.number);
    item["client"] = dynamo_text(subscription.client_id);
    item["last_turn"] = dynamo_text(subscription.last_turn);
    item["last_number"] = dynamo_number(subscription.last_number);
    item["waits_until"] = dynamo_number(subscription.waits_until_us);
    item["ttl"] = dynamo_number(subscription.expires_us / us_per_second);
    return item;
}

std::optional<SocketSubscription> subscription_of(const DynamoItem& item, std::int64_t now_us) {
    std::string_view name = text_of(item, "pk");
    const std::size_t bar = name.find('|');
    const std::int64_t expires_us = number_of(item, "ttl").value_or(0) * us_per_second;
    if (!name.starts_with(prefix) || bar == std::string_view::npos || expires_us <= now_us) return std::nullopt;
    const std::size_t size = prefix.size();
    return SocketSubscription{
        .key = {.owner = std::string(name.substr(size, bar - size)), .session_id = std::string(name.substr(bar + 1))},
        .connection_id = std::string(text_of(item, "sk")),
        .address = std::string(text_of(item, "address")),
        .number = std::string(text_of(item, "number")),
        .client_id = std::string(text_of(item, "client")),
        .last_turn = std::string(text_of(item, "last_turn")),
        .last_number = static_cast<std::uint32_t>(number_of(item, "last_number").value_or(0)),
        .waits_until_us = number_of(item, "waits_until").value_or(0),
        .expires_us = expires_us};
}

// -- connections -----------------------------------------------------------------------------------------------------

Task<Result<void>> DynamoConnections::add(std::string connection_id, std::string owner, std::int64_t expires_us) {
    DynamoItem item = connection_key(connection_id);
    item["owner"] = dynamo_text(owner);
    item["ttl"] = dynamo_number(expires_us / us_per_second);
    const auto put = co_await client_.put(table_, std::move(item), std::nullopt, base::Deadline::after(limit));
    if (!put) co_return failed(put.error());
    co_return Result<void>();
}

Task<Result<void>> DynamoConnections::delete_item(DynamoItem key) {
    const auto removed = co_await client_.remove(table_, std::move(key), std::nullopt, base::Deadline::after(limit));
    if (!removed) co_return failed(removed.error());
    co_return Result<void>();
}

Task<Result<void>> DynamoConnections::remove(std::string connection_id) {
    const auto was =
        co_await client_.remove(table_, connection_key(connection_id), std::nullopt, base::Deadline::after(limit));
    if (!was) co_return failed(was.error());
    const std::string owner(text_of(*was, "owner"));
    for (const auto& attribute : *was) {
        const std::string_view name(attribute.key());
        if (!name.starts_with(session_prefix)) continue;
        const SessionKey key{.owner = owner, .session_id = std::string(name.substr(session_prefix.size()))};
        if (auto removed = co_await delete_item(subscription_key(connection_id, key)); !removed) co_return removed;
    }
    co_return Result<void>();
}

// -- subscriptions ---------------------------------------------------------------------------------------------------

Task<Result<bool>> DynamoConnections::subscribe(SocketSubscription subscription) {
    const auto row = co_await client_.update(table_, connection_key(subscription.connection_id),
                                             {.text = "SET #s = :n",
                                              .names = {{"#s", joined(session_prefix, subscription.key.session_id)}},
                                              .values = {{":n", dynamo_text(subscription.number)}}},
                                             "attribute_exists(pk) AND (attribute_not_exists(#s) OR #s = :n)",
                                             base::Deadline::after(limit));
    if (!row && condition_failed(row.error())) co_return false;
    if (!row) co_return failed(row.error());
    subscription.expires_us = number_of(*row, "ttl").value_or(0) * us_per_second;
    const auto put =
        co_await client_.put(table_, subscription_item(subscription), std::nullopt, base::Deadline::after(limit));
    if (!put) co_return failed(put.error());
    co_return true;
}

Task<Result<void>> DynamoConnections::unsubscribe(std::string connection_id, SessionKey key) {
    const auto updated = co_await client_.update(
        table_, connection_key(connection_id),
        {.text = "REMOVE #s", .names = {{"#s", joined(session_prefix, key.session_id)}}, .values = {}},
        "attribute_exists(pk)", base::Deadline::after(limit));
    if (!updated && !condition_failed(updated.error())) co_return failed(updated.error());
    co_return co_await delete_item(subscription_key(connection_id, key));
}

Task<Result<void>> DynamoConnections::stop_waiting(SocketSubscription subscription) {
    const auto updated =
        co_await client_.update(table_, subscription_key(subscription.connection_id, subscription.key),
                                {.text = "SET waits_until = :z",
                                 .names = {{"#n", "number"}},
                                 .values = {{":z", dynamo_number(0)}, {":n", dynamo_text(subscription.number)}}},
                                "#n = :n", base::Deadline::after(limit));
    if (!updated && !condition_failed(updated.error())) co_return failed(updated.error());
    co_return Result<void>();
}

Task<Result<std::vector<SocketSubscription>>> DynamoConnections::subscriptions(SessionKey key) {
    DynamoQuery query{
        .table = table_,
        .key = {.text = "pk = :p", .names = {}, .values = {{":p", dynamo_text(joined(prefix, name_of(key)))}}}};
    std::vector<SocketSubscription> found;
    while (true) {
        auto page = co_await client_.query(query, base::Deadline::after(limit));
        if (!page) co_return failed(page.error());
        for (const DynamoItem& item : page->items)
            if (auto one = subscription_of(item, clock_.wall_us())) found.push_back(*std::move(one));
        if (!page->next) co_return found;
        query.from = std::move(page->next);
    }
}

// -- who tells what --------------------------------------------------------------------------------------------------

Task<Result<std::optional<std::uint32_t>>> DynamoConnections::claim(SocketSubscription subscription,
                                                                    std::string turn_id, std::string by) {
    const auto was =
        co_await client_.update(table_, claim_key(subscription, turn_id),
                                {.text = "SET #n = :n, teller = :b, #ttl = :e",
                                 .names = {{"#n", "number"}, {"#ttl", "ttl"}},
                                 .values = {{":n", dynamo_text(subscription.number)},
                                            {":b", dynamo_text(by)},
                                            {":e", dynamo_number(subscription.expires_us / us_per_second)}}},
                                "attribute_not_exists(pk) OR #n <> :n OR attribute_not_exists(teller) OR teller = :b",
                                base::Deadline::after(limit));
    if (!was && condition_failed(was.error())) co_return std::nullopt;
    if (!was) co_return failed(was.error());
    co_return told_of(*was, subscription);
}

Task<Result<void>> DynamoConnections::release(SocketSubscription subscription, std::string turn_id,
                                              std::uint32_t told) {
    const auto updated =
        co_await client_.update(table_, claim_key(subscription, turn_id),
                                {.text = "SET told = :t, told_of = :n REMOVE teller",
                                 .names = {{"#n", "number"}},
                                 .values = {{":t", dynamo_number(told)}, {":n", dynamo_text(subscription.number)}}},
                                "#n = :n", base::Deadline::after(limit));
    if (!updated && !condition_failed(updated.error())) co_return failed(updated.error());
    co_return Result<void>();
}

}  // namespace tertulia::storage
