#include "tertulia/storage/sqlite_rows.h"

#include "tertulia/storage/outcome_json.h"
#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {
namespace {

// What usage_estimated says (sqlite_schema.cpp).
constexpr std::int64_t both_estimated = 1, output_estimated = 2, input_estimated = 3;

bool is_one_of(std::int64_t value, std::int64_t a, std::int64_t b) {
    return value == a || value == b;
}

}  // namespace

std::int64_t estimated_parts(const chat::Usage& usage) {
    if (usage.input_estimated) return usage.output_estimated ? both_estimated : input_estimated;
    return usage.output_estimated ? output_estimated : 0;
}

// People and other programs may have written rows too: what is not known is read as its most harmless meaning.
sessions::StoredMessage read_message(const SqliteStatement::Rows& rows) {
    sessions::StoredMessage message;
    message.role = chat::parse_role(rows.text(0)).value_or(chat::Role::user);
    message.content = rows.text(1);
    message.timestamp = rows.text(2);
    message.created_at = rows.text(3);
    if (!rows.is_null(4)) message.blocks = chat::blocks_from_json(rows.text(4));
    message.turn_id = rows.text(5);
    message.state = sessions::parse_turn_state(rows.text(6)).value_or(sessions::TurnState::completed);
    message.model = rows.text(7);
    if (!rows.is_null(8)) message.stop_reason = chat::parse_stop_reason(rows.text(8));
    if (!rows.is_null(9))
        message.usage = chat::Usage{.input = rows.integer(9),
                                    .cache_read = rows.integer(10),
                                    .cache_write = rows.integer(11),
                                    .output = rows.integer(12),
                                    .reasoning = rows.integer(13),
                                    .input_estimated = is_one_of(rows.integer(14), both_estimated, input_estimated),
                                    .output_estimated = is_one_of(rows.integer(14), both_estimated, output_estimated)};
    message.cost_nano = rows.optional_integer(15);
    message.metadata = rows.text(16);
    return message;
}

sessions::StoredMessage read_answer(const SqliteStatement::Rows& rows) {
    sessions::StoredMessage answer = read_message(rows);
    answer.events = rows.bytes(17);
    if (!rows.is_null(18)) answer.outcome = outcome_from_json(rows.text(18));
    return answer;
}

void write_message(SqliteStatement& statement, const sessions::SessionKey& key, const sessions::StoredMessage& message,
                   std::string_view place) {
    const std::string blocks = keeps_blocks(message) ? chat::blocks_to_json(message.blocks) : std::string();
    const std::string_view stop = message.stop_reason ? chat::to_string(*message.stop_reason) : std::string_view();
    const std::string outcome = message.outcome ? outcome_to_json(*message.outcome) : std::string();
    using Number = std::optional<std::int64_t>;
    const auto count = [&](std::int64_t chat::Usage::* member) {
        return message.usage ? Number((*message.usage).*member) : Number();
    };
    // One column for both lifetimes: only the ledger tells them apart.
    const Number written =
        message.usage ? Number(message.usage->cache_write + message.usage->cache_write_long) : Number();
    statement.run(std::string_view(key.owner), std::string_view(key.session_id), chat::to_string(message.role),
                  std::string_view(message.content), place, std::string_view(message.created_at), TextOrNull{blocks},
                  std::string_view(message.turn_id), sessions::to_string(message.state), TextOrNull{message.model},
                  TextOrNull{stop}, count(&chat::Usage::input), count(&chat::Usage::cache_read), written,
                  count(&chat::Usage::output), count(&chat::Usage::reasoning),
                  message.usage ? Number(estimated_parts(*message.usage)) : Number(), message.cost_nano,
                  TextOrNull{message.metadata}, BytesOrNull{message.events}, TextOrNull{outcome});
}

sessions::SessionHeader read_header(const SqliteStatement::Rows& rows) {
    return {.session_id = std::string(rows.text(0)),
            .message_count = rows.integer(1),
            .last_timestamp = std::string(rows.text(2)),
            .last_activity = std::string(rows.text(3)),
            .first_words = std::string(rows.text(4)),
            .model = std::string(rows.text(5)),
            .system = std::string(rows.text(6)),
            .context_from = std::string(rows.text(7)),
            .context_window = rows.integer(8),
            .spent_nano = rows.integer(9)};
}

}  // namespace tertulia::storage
