#include "tertulia/storage/session_rules.h"

#include <array>

#include "tertulia/base/clock.h"
#include "tertulia/base/utf8.h"

namespace tertulia::storage {
namespace {

constexpr std::size_t first_words_bytes = 120;
// In no session id, and needs no escaping in a URL.
constexpr char cursor_separator = '~';

}  // namespace

sessions::StoredMessage interrupted_answer(const LostTurn& turn, std::string timestamp, std::string created_at) {
    sessions::StoredMessage answer;
    answer.role = chat::Role::assistant;
    answer.timestamp = std::move(timestamp);
    answer.created_at = std::move(created_at);
    answer.turn_id = turn.turn_id;
    answer.model = turn.model;
    answer.outcome.emplace();
    // An answer without anything was tried again, not continued.
    const sessions::StoredMessage* before = turn.before ? &*turn.before : nullptr;
    if (before && (!before->content.empty() || !before->blocks.empty())) answer.outcome->continues = before->turn_id;
    fill_interrupted(answer, turn.remains ? &*turn.remains : nullptr, turn.first_number, before);
    return answer;
}

std::vector<billing::Bill> bill_interrupted(sessions::StoredMessage& answer,
                                            const std::optional<sessions::TurnRemains>& remains,
                                            const PriceBill& priced) {
    if (!remains) return {};
    std::vector<billing::Bill> bills = sessions::bills_of_interrupted(*remains, answer.model);
    for (billing::Bill& bill : bills)
        if (priced && !bill.cost_nano) bill = priced(std::move(bill));
    billing::BillTotal total = billing::add_up(bills);
    answer.cost_nano = total.cost_nano;
    answer.outcome->price_version = std::move(total.price_version);
    return bills;
}

std::int64_t cost_of(std::span<const billing::Bill> bills) {
    std::int64_t nano = 0;
    for (const billing::Bill& bill : bills) nano += bill.cost_nano.value_or(0);
    return nano;
}

std::optional<std::string> place_between(std::string_view last, std::string_view next) {
    // One microsecond later as a rule. Where the next message took that place: a text that goes on where `last` ends,
    // which sorts before every timestamp of our own form that follows.
    const std::array<std::string, 3> candidates{base::next_timestamp(last, 0), std::string(last) + '0',
                                                std::string(last) + '-'};
    for (const std::string& candidate : candidates)
        if (candidate > last && candidate < next) return candidate;
    return std::nullopt;
}

std::string first_words(std::string_view content) {
    return std::string(base::cut_utf8(content, first_words_bytes));
}

bool can_be_rewritten(const sessions::StoredMessage& message) {
    return message.role == chat::Role::assistant && message.state != sessions::TurnState::completed;
}

bool keeps_blocks(const sessions::StoredMessage& message) {
    return !message.blocks.empty() && !chat::is_plain_text(message.blocks);
}

std::size_t size_of(const sessions::StoredMessage& message) {
    return message.content.size() + chat::byte_size(message.blocks);
}

std::string format_cursor(const SessionCursor& cursor) {
    return cursor.last_activity + cursor_separator + cursor.session_id;
}

base::Result<SessionCursor> parse_cursor(std::string_view text) {
    const std::size_t at = text.rfind(cursor_separator);
    if (at == std::string_view::npos || at == 0 || at + 1 == text.size())
        return base::fail(base::Errc::invalid_request, "This cursor is not one of ours; begin without it");
    return SessionCursor{.last_activity = std::string(text.substr(0, at)),
                         .session_id = std::string(text.substr(at + 1))};
}

base::Error not_later_than_last() {
    return {.code = base::Errc::conflict, .message = "The session has moved on; read it again and retry"};
}

base::Error not_to_be_rewritten() {
    return {.code = base::Errc::conflict,
            .message = "The session has moved on, or its last answer is whole; read it again"};
}

base::Error turn_not_running() {
    return {.code = base::Errc::not_found,
            .message = "The turn is no longer running; its session may have been deleted"};
}

}  // namespace tertulia::storage
