#include "tertulia/storage/dynamodb_header.h"

#include <algorithm>
#include <string>

namespace tertulia::storage {

std::string header_pk(std::string_view owner) {
    return "U#" + std::string(owner);
}
std::string header_sk(std::string_view session_id) {
    return "S#" + std::string(session_id);
}

DynamoHeader read_header_item(const DynamoItem& item) {
    const auto text = [&](std::string_view name) { return std::string(text_of(item, name)); };
    const auto number = [&](std::string_view name, std::int64_t otherwise = 0) {
        return number_of(item, name).value_or(otherwise);
    };
    DynamoHeader header{.first_words = text("title"),
                        .model = text("model"),
                        .system = text("system"),
                        .turn = text("turn"),
                        .by = text("by"),
                        .until_ms = number("until"),
                        .version = number("v"),
                        .question_place = text("place"),
                        .rewrites = text("rewrites"),
                        .first_number = static_cast<std::uint32_t>(number("first", 1)),
                        .context_from = text("ctx"),
                        .context_window = number("win"),
                        .last_activity = text("active"),
                        .stop = text("stop"),
                        .is_handed_over = number("handed") != 0,
                        .listed = text("listed"),
                        .message_count = number("n"),
                        .last_timestamp = text("last"),
                        .listed_activity = text("seen"),
                        .spent_nano = number("spent")};
    if (const std::string_view sk = text_of(item, "sk"); sk.starts_with("S#")) header.session_id = sk.substr(2);
    for (std::size_t i = 0; i < header.watchers.size(); ++i)
        header.watchers[i] = {.by = text(watcher_name(i)), .until_ms = number(watched_until_name(i))};
    return header;
}

std::string watcher_name(std::size_t which) {
    return "w" + std::to_string(which + 1);
}
std::string watched_until_name(std::size_t which) {
    return "wu" + std::to_string(which + 1);
}

base::Milliseconds watched_for(const DynamoHeader& header, std::string_view me, std::int64_t now_ms) {
    base::Milliseconds longest{0};
    for (const DynamoHeader::Watcher& watcher : header.watchers)
        if (!watcher.by.empty() && watcher.by != me)
            longest = std::max(longest, base::Milliseconds(watcher.until_ms - now_ms));
    return longest;
}

bool has_ended(const DynamoHeader& header, const DynamoMessage* newest) {
    return newest && newest->message.role == chat::Role::assistant && !header.turn.empty() &&
           newest->message.turn_id == header.turn;
}

sessions::SessionHeader session_header(const std::string& session_id, const DynamoHeader& header,
                                       const DynamoMessage* newest) {
    sessions::SessionHeader result{
        .session_id = session_id, .first_words = header.first_words, .model = header.model, .system = header.system};
    if (!newest) return result;
    const SessionTotals& totals = newest->totals;
    result.message_count = totals.messages.value_or(0);
    result.last_timestamp = newest->message.timestamp;
    result.last_activity = newest->message.created_at;
    result.context_from = totals.context_from;
    result.context_window = totals.context_window;
    result.spent_nano = totals.spent_nano;
    if (!header.rewrites.empty() && !has_ended(header, newest)) {
        result.last_activity = header.last_activity;
        result.context_from = header.context_from;
        result.context_window = header.context_window;
    }
    return result;
}

}  // namespace tertulia::storage
