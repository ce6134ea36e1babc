// What every store decides in the same way.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_checkpoint.h"

namespace tertulia::storage {

/// A turn whose end was never written. Value.
struct LostTurn {
    std::string turn_id;
    /// The session's.
    std::string model;
    /// TurnStart::first_number.
    std::uint32_t first_number = 1;
    /// What its checkpoints hold.
    std::optional<sessions::TurnRemains> remains;
    /// The answer that it was rewriting.
    std::optional<sessions::StoredMessage> before;
};

/// The answer that stands for the one that is missing: `interrupted`, with what was kept of it.
sessions::StoredMessage interrupted_answer(const LostTurn& turn, std::string timestamp, std::string created_at);

/// Fills in a bill's cost; does nothing where no price is known. Safe from any thread.
using PriceBill = std::function<billing::Bill(billing::Bill)>;

/// The bills of such an answer's turn, in the end by our own estimate, priced as far as they can be; `priced` may be
/// empty. Fills in what the answer says of its cost.
std::vector<billing::Bill> bill_interrupted(sessions::StoredMessage& answer,
                                            const std::optional<sessions::TurnRemains>& remains,
                                            const PriceBill& priced);

/// Nano-dollars of all of them, as far as prices are known.
std::int64_t cost_of(std::span<const billing::Bill> bills);

/// A place in the order after `last` and before `next`, for an answer that is missing between them; nothing where no
/// text lies between the two (then the new message has to take a later place).
std::optional<std::string> place_between(std::string_view last, std::string_view next);

/// What the list of sessions shows of a session: the beginning of its first message.
std::string first_words(std::string_view content);

/// Is it an answer that is not whole? Another turn may continue it, or try again.
bool can_be_rewritten(const sessions::StoredMessage& message);

/// Are the message's blocks worth keeping beside its text?
bool keeps_blocks(const sessions::StoredMessage& message);

/// The bytes of its content, its blocks' included: what a page's limit goes by.
std::size_t size_of(const sessions::StoredMessage& message);

/// Where a page of the list of sessions ended. Value.
struct SessionCursor {
    std::string last_activity;
    std::string session_id;
};
/// The text of SessionPage::next. Holds only characters that a URL's query may hold as they are (where the store's own
/// timestamps are used).
std::string format_cursor(const SessionCursor& cursor);
/// `invalid_request`: this is no cursor of ours.
base::Result<SessionCursor> parse_cursor(std::string_view text);

/// The two limits of reading backwards: a number of messages, and about a number of bytes. Value.
class ReadLimit {
  public:
    ReadLimit(std::int64_t max_messages, std::int64_t max_bytes)
        : messages_left_(max_messages), bytes_left_(max_bytes) {}

    /// May one more message be taken? The first one may, whatever its size.
    bool has_room() const { return messages_left_ > 0 && (empty_ || bytes_left_ > 0); }
    void add(std::size_t bytes) {
        empty_ = false;
        --messages_left_;
        bytes_left_ -= static_cast<std::int64_t>(bytes);
    }

  private:
    std::int64_t messages_left_;
    std::int64_t bytes_left_;
    bool empty_ = true;
};

/// The failures that the contract of SessionStore names.
base::Error not_later_than_last();
base::Error not_to_be_rewritten();
base::Error turn_not_running();

}  // namespace tertulia::storage
