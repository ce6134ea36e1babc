#include "tertulia/storage/dynamodb_keys.h"

#include <fmt/format.h>

#include "tertulia/base/clock.h"

namespace tertulia::storage {

std::string dynamo_session(const sessions::SessionKey& key) {
    return key.owner == sessions::local_owner ? key.session_id : fmt::format("{}|{}", key.owner, key.session_id);
}

DynamoItem meta_key(std::string_view pk, std::string_view sk) {
    return {{"pk", dynamo_text(pk)}, {"sk", dynamo_text(sk)}};
}

std::string header_pk(std::string_view owner) {
    return fmt::format("U#{}", owner);
}

DynamoItem header_key(const sessions::SessionKey& key) {
    return meta_key(header_pk(key.owner), fmt::format("{}{}", headers_prefix, key.session_id));
}

std::string_view session_of_header(const DynamoItem& item) {
    std::string_view sk = text_of(item, "sk");
    if (!sk.starts_with(headers_prefix)) return {};
    sk.remove_prefix(headers_prefix.size());
    return sk;
}

std::string turns_pk(const sessions::SessionKey& key) {
    return fmt::format("T#{}|{}", key.owner, key.session_id);
}

std::string checkpoint_sk(std::string_view turn_id, std::uint64_t number) {
    return fmt::format("{}#{:06}", turn_id, number);
}

std::string after_checkpoints_sk(std::string_view turn_id) {
    return fmt::format("{}#~", turn_id);
}

std::string replaced_sk(std::string_view turn_id, std::size_t part) {
    return part == 0 ? fmt::format("{}!old", turn_id) : fmt::format("{}!old.{:04}", turn_id, part);
}

std::string idempotency_pk(std::string_view owner) {
    return fmt::format("I#{}", owner);
}

std::string kept_bills_pk(std::string_view owner) {
    return fmt::format("B#{}", owner);
}

std::string kept_bills_prefix(std::string_view session_id) {
    return fmt::format("{}|", session_id);
}

std::string kept_bills_sk(std::string_view session_id, std::string_view turn_id) {
    return fmt::format("{}|{}", session_id, turn_id);
}

DynamoItem budget_key(const billing::BudgetWindow& window) {
    const bool has_end = window.to_us != billing::BudgetWindow::no_end;
    return meta_key(fmt::format("M#{}", window.owner),
                    fmt::format("{}|{}|{}", window.session_id, base::format_timestamp(window.from_us),
                                has_end ? base::format_timestamp(window.to_us) : std::string()));
}

}  // namespace tertulia::storage
