// Messages as DynamoDB's items, and back.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/billing/bill.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/dynamodb_item.h"

namespace tertulia::storage {

/// How large an item may become: DynamoDB takes 400 KB, names and all.
inline constexpr std::size_t dynamo_part_bytes = 300'000;

/// What a turn's end adds to the ledger. Value.
struct BilledTurn {
    std::string turn_id;
    /// In the store's form of time.
    std::string ended_at;
    std::vector<billing::Bill> bills;
    bool operator==(const BilledTurn&) const = default;
};

/// What stands beside a message in its item: what is true of the session with it, so that whoever has the newest
/// message knows the session. Value.
struct SessionTotals {
    /// Of the session, this one included; nothing: another program wrote the message.
    std::optional<std::int64_t> messages = {};
    std::int64_t spent_nano = 0;
    /// SessionHeader::context_from and context_window.
    std::string context_from = {};
    std::int64_t context_window = 0;
    bool operator==(const SessionTotals&) const = default;
};

/// A message with all that its item holds. Value.
struct DynamoMessage {
    sessions::StoredMessage message;  // with events and outcome
    SessionTotals totals = {};
    /// TurnStart::first_number; a question's.
    std::uint32_t first_number = 1;
    /// A question's: the turn that had rewritten the answer before it; empty: none had.
    std::string follows = {};
    /// An answer's: of all turns that wrote it, the last one last.
    std::vector<BilledTurn> billed = {};
    /// The number of its second part's place (`part_place`). Every write has places of its own for its parts, so that
    /// two of them never mix.
    std::int64_t part_base = 1;
    /// How many items it is made of.
    std::int64_t parts = 1;
    bool operator==(const DynamoMessage&) const = default;
};

/// The message's items, without their keys: its own first, then (where it is too large for one) its other parts, each
/// with as much of it as it holds. `part_bytes`: about the size of each.
std::vector<DynamoItem> encode_message(const DynamoMessage& message, std::size_t part_bytes = dynamo_part_bytes);

/// Where part `number` (from 1) of a message at `place` stands: so many microseconds after it, all of which are the
/// message's (sessions::answer_place). Nothing: there is no room for so many, or `place` is not in the store's own
/// form.
std::optional<std::string> part_place(std::string_view place, std::int64_t number);

/// Are these all of a session's newest messages, each as its last writer left it, if the first of them is? (`newest`:
/// newest first; `more`: there are older ones.) Their numbers have no gaps, and a question says who rewrote the answer
/// before it; nothing older can change any more. False where messages of another program are among them. Pure.
bool is_unbroken(const std::vector<DynamoMessage>& newest, bool more);
/// What a question after these says in `follows`. Pure.
std::string rewriter_of(const std::vector<DynamoMessage>& newest);

/// Is it a part that is not the message's own (first) item?
bool is_inner_part(const DynamoItem& item);
/// How many items the message whose own item this is has.
std::int64_t parts_of(const DynamoItem& item);

/// The message from all of its items, in their order; `with_the_rest`: events, outcome and bills too. `sort_key` is the
/// attribute that says its place.
DynamoMessage decode_message(const std::vector<const DynamoItem*>& items, bool with_the_rest,
                             std::string_view sort_key = "timestamp");

/// Puts messages together from items that are read one after the other, newest or oldest first: the items of one write
/// have the same `w`. Parts whose message is not there (it was never finished) are passed over. One per worker.
class MessageAssembler {
  public:
    MessageAssembler(bool newest_first, bool with_the_rest)
        : newest_first_(newest_first), with_the_rest_(with_the_rest) {}

    /// A message that is whole with this item.
    std::optional<DynamoMessage> add(DynamoItem item);
    /// May a message wait for more of its parts?
    bool is_within_message() const { return missing_ > 0 || !by_write_.empty(); }

  private:
    std::optional<DynamoMessage> add_newer_first(DynamoItem item);
    std::optional<DynamoMessage> add_older_first(DynamoItem item);
    DynamoMessage whole();

    const bool newest_first_;
    const bool with_the_rest_;
    std::vector<DynamoItem> items_;                            // of the message that comes, in their order
    std::int64_t missing_ = 0;                                 // oldest first: how many more it waits for
    std::map<std::string, std::vector<DynamoItem>> by_write_;  // newest first: parts so far, the last one first
};

/// An item of the other table: bills that no message has.
DynamoItem kept_bills_item(const sessions::SessionKey& key, const BilledTurn& billed);

/// What a message's own item says of bills: one that is told by the message itself, or a list of them.
inline constexpr std::array bill_attributes = {"bills", "bill", "turn", "created_at", "model", "tokens", "cost"};
std::vector<BilledTurn> read_bills(const DynamoItem& item);

std::string bills_to_json(const std::vector<BilledTurn>& billed);
std::vector<BilledTurn> bills_from_json(std::string_view json);

}  // namespace tertulia::storage
