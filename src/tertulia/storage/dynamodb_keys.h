// The keys of the two tables (docs/dynamodb.md says what stands under them). Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tertulia/billing/budget.h"
#include "tertulia/sessions/store_values.h"
#include "tertulia/storage/dynamodb_item.h"

namespace tertulia::storage {

/// The partition key of a session's messages: the plain id for the owner `local`, `owner|id` for others.
std::string dynamo_session(const sessions::SessionKey& key);

/// The key of an item of the other table.
DynamoItem meta_key(std::string_view pk, std::string_view sk);

/// A session's header; `headers_prefix` is what all of an owner's begin with.
std::string header_pk(std::string_view owner);
inline constexpr std::string_view headers_prefix = "S#";
DynamoItem header_key(const sessions::SessionKey& key);
/// Which session's it is; empty: it is no header.
std::string_view session_of_header(const DynamoItem& item);

/// What is kept of single turns of a session: checkpoints, and answers as they were before they were rewritten.
std::string turns_pk(const sessions::SessionKey& key);
/// A turn's item number `number` (from 1), and what is greater than all of them.
std::string checkpoint_sk(std::string_view turn_id, std::uint64_t number);
std::string after_checkpoints_sk(std::string_view turn_id);
/// `part` from 0; the first one's key is what those of the others begin with.
std::string replaced_sk(std::string_view turn_id, std::size_t part = 0);

/// An owner's idempotency keys.
std::string idempotency_pk(std::string_view owner);

/// Bills that no message has; `kept_bills_prefix` is what those of a session begin with.
std::string kept_bills_pk(std::string_view owner);
std::string kept_bills_prefix(std::string_view session_id);
std::string kept_bills_sk(std::string_view session_id, std::string_view turn_id);

/// What is counted of a budget's window.
DynamoItem budget_key(const billing::BudgetWindow& window);

}  // namespace tertulia::storage
