// What an Idempotency-Key stands for, in DynamoDB.
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {
namespace {

constexpr std::chrono::hours keys_kept_longer{1};

sessions::IdempotencyRecord read_key(const DynamoItem& item) {
    return {.key = std::string(text_of(item, "sk")),
            .fingerprint = std::string(text_of(item, "fp")),
            .session_id = std::string(text_of(item, "session")),
            .turn_id = std::string(text_of(item, "turn")),
            .expires_us = number_of(item, "expires").value_or(0)};
}

}  // namespace

DynamoItem idempotency_item(const std::string& owner, const sessions::IdempotencyRecord& record) {
    DynamoItem item = meta_key(idempotency_pk(owner), record.key);
    item["fp"] = dynamo_text(record.fingerprint);
    item["session"] = dynamo_text(record.session_id);
    item["turn"] = dynamo_text(record.turn_id);
    item["expires"] = dynamo_number(record.expires_us);
    item["ttl"] = dynamo_number(record.expires_us / 1'000'000 + std::chrono::seconds(keys_kept_longer).count());
    return item;
}

async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> DynamoSessions::idempotency(std::string owner,
                                                                                                  std::string key,
                                                                                                  std::int64_t now_us) {
    if (key.empty()) co_return std::nullopt;
    const auto item = co_await client_.get(settings_.tables.meta, meta_key(idempotency_pk(owner), key), deadline());
    if (!item) co_return failed(item.error());
    if (!*item) co_return std::nullopt;
    sessions::IdempotencyRecord record = read_key(**item);
    if (record.expires_us <= now_us) co_return std::nullopt;
    co_return record;
}

async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> DynamoSessions::claim_key(
    std::string owner, sessions::IdempotencyRecord record, std::string instead_of, std::int64_t now_us) {
    DynamoExpression condition{.text = "attribute_not_exists(pk) OR expires <= :now",
                               .values = {{":now", dynamo_number(now_us)}}};
    if (!instead_of.empty()) {
        condition.text += " OR #turn = :freed";
        condition.names["#turn"] = "turn";
        condition.values[":freed"] = dynamo_text(instead_of);
    }
    const auto claimed =
        co_await client_.put(settings_.tables.meta, idempotency_item(owner, record), std::move(condition), deadline());
    if (claimed) co_return std::nullopt;
    if (!condition_failed(claimed.error())) co_return failed(claimed.error());
    sessions::IdempotencyRecord there = read_key(old_item(claimed.error()));
    // An attempt whose answer was lost has done it.
    if (there.turn_id == record.turn_id) co_return std::nullopt;
    co_return there;
}

async::Task<base::Result<void>> DynamoSessions::free_key(std::string owner, std::string key, std::string turn_id) {
    DynamoExpression condition{
        .text = "#turn = :mine", .names = {{"#turn", "turn"}}, .values = {{":mine", dynamo_text(turn_id)}}};
    const auto freed = co_await client_.remove(settings_.tables.meta, meta_key(idempotency_pk(owner), key),
                                               std::move(condition), deadline());
    if (!freed && !condition_failed(freed.error())) co_return failed(freed.error());
    co_return Result<void>();
}

}  // namespace tertulia::storage
