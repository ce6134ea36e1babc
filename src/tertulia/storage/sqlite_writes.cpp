#include "tertulia/storage/sqlite_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tertulia/base/clock.h"
#include "tertulia/storage/sqlite_rows.h"

namespace tertulia::storage {

using base::Result;
using sessions::SessionKey;
using sessions::StoredMessage;
using View = std::string_view;

SqliteWrites::SqliteWrites(SqliteDatabase& database, PriceBill priced)
    : database_(database),
      priced_(std::move(priced)),
      turns_(database),
      ledger_(database),
      // Another program may have added messages without the header's knowledge; the order must hold nonetheless.
      find_session_(database,
                    "SELECT rowid, message_count, last_timestamp, model, running_turn, running_place, running_number, "
                    "(SELECT timestamp FROM messages WHERE owner = ?1 AND session_id = ?2 ORDER BY timestamp DESC "
                    "LIMIT 1) FROM sessions WHERE owner = ?1 AND session_id = ?2"),
      last_message_(
          database,
          "SELECT timestamp FROM messages WHERE owner = ?1 AND session_id = ?2 ORDER BY timestamp DESC LIMIT 1"),
      message_at_(database,
                  fmt::format("SELECT {} FROM messages WHERE owner = ?1 AND session_id = ?2 AND timestamp = ?3",
                              message_columns)),
      count_messages_(database, "SELECT count(*) FROM messages WHERE owner = ?1 AND session_id = ?2"),
      insert_session_(
          database,
          "INSERT INTO sessions (owner, session_id, message_count, last_timestamp, last_activity, first_words, "
          "model, system, context_from, context_window, running_turn, running_place, running_number) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"),
      update_at_begin_(
          database,
          "UPDATE sessions SET message_count = message_count + ?2, last_timestamp = ?3, last_activity = ?4, "
          "model = ?5, system = ?6, context_from = ?7, context_window = ?8, running_turn = ?9, running_place = ?10, "
          "running_number = ?11, spent_nano = spent_nano + ?12 WHERE rowid = ?1"),
      update_at_end_(database,
                     "UPDATE sessions SET message_count = message_count + ?2, last_timestamp = ?3, last_activity = ?4, "
                     "running_turn = NULL, running_place = NULL, running_number = NULL, spent_nano = spent_nano + ?5 "
                     "WHERE rowid = ?1"),
      insert_message_(database, insert_message_sql),
      update_message_(database, update_message_sql),
      keep_replaced_(database, keep_replaced_sql),
      insert_idempotency_(database,
                          "INSERT OR REPLACE INTO idempotency (owner, key, fingerprint, session_id, turn_id, "
                          "expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
      delete_expired_(database,
                      "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency "
                      "WHERE expires_at <= 1000000 * strftime('%s', ?1) ORDER BY expires_at LIMIT 4)"),
      running_sessions_(database, "SELECT owner, session_id FROM sessions WHERE running_turn IS NOT NULL"),
      delete_messages_(database, "DELETE FROM messages WHERE owner = ?1 AND session_id = ?2"),
      delete_replaced_(database, "DELETE FROM replaced_turns WHERE owner = ?1 AND session_id = ?2"),
      delete_idempotency_(database, "DELETE FROM idempotency WHERE owner = ?1 AND session_id = ?2"),
      delete_session_(database, "DELETE FROM sessions WHERE owner = ?1 AND session_id = ?2") {}

std::optional<SqliteWrites::State> SqliteWrites::find(const SessionKey& key) {
    auto rows = find_session_.query(View(key.owner), View(key.session_id));
    if (rows.next())
        return State{.row = rows.integer(0),
                     .message_count = rows.integer(1),
                     .last_timestamp = std::string(std::max(rows.text(2), rows.text(7))),
                     .model = std::string(rows.text(3)),
                     .running_turn = std::string(rows.text(4)),
                     .running_place = std::string(rows.text(5)),
                     .running_number = static_cast<std::uint32_t>(rows.optional_integer(6).value_or(1))};
    // Messages without a header may be there as well.
    auto messages = last_message_.query(View(key.owner), View(key.session_id));
    if (!messages.next()) return std::nullopt;
    return State{.last_timestamp = std::string(messages.text(0))};
}

std::optional<StoredMessage> SqliteWrites::message_at(const SessionKey& key, const std::string& place) {
    auto rows = message_at_.query(View(key.owner), View(key.session_id), View(place));
    if (!rows.next()) return std::nullopt;
    return read_message(rows);
}

bool SqliteWrites::may_rewrite(const SessionKey& key, const State& state, const std::string& place) {
    if (place != state.last_timestamp) return false;
    // A turn that was rewriting it, and was lost, leaves it interrupted again.
    if (!state.running_turn.empty()) return state.running_place == place;
    const auto last = message_at(key, place);
    return last && can_be_rewritten(*last);
}

LostTurn SqliteWrites::lost_turn(const SessionKey& key, const State& state) {
    LostTurn lost{.turn_id = state.running_turn, .model = state.model, .first_number = state.running_number};
    if (!state.running_place.empty()) lost.before = message_at(key, state.running_place);
    return lost;
}

std::int64_t SqliteWrites::write_answer(const SessionKey& key, const State& state, const StoredMessage& answer) {
    turns_.end({key, answer.turn_id});
    if (!state.running_place.empty()) {
        const View place = state.running_place;
        keep_replaced_.run(View(key.owner), View(key.session_id), place, View(answer.turn_id));
        if (database_.changes() > 0) {
            write_message(update_message_, key, answer, place);
            return 0;
        }
        // Another program has deleted it meanwhile.
    }
    write_message(insert_message_, key, answer, answer.timestamp);
    return 1;
}

SqliteWrites::Closed SqliteWrites::close(const SessionKey& key, const State& state, const LostTurn& lost,
                                         std::string place, const std::string& created_at) {
    StoredMessage answer = interrupted_answer(lost, std::move(place), created_at);
    const std::vector<billing::Bill> bills = bill_interrupted(answer, lost.remains, priced_);
    const Closed closed{.added = write_answer(key, state, answer), .nano = cost_of(bills)};
    ledger_.add({key, lost.turn_id}, created_at, bills);
    return closed;
}

void SqliteWrites::keep_idempotency(const sessions::TurnStart& start) {
    if (!start.idempotency) return;
    const sessions::IdempotencyRecord& record = *start.idempotency;
    delete_expired_.run(View(start.message.created_at));
    insert_idempotency_.run(View(start.key.owner), View(record.key), View(record.fingerprint), View(record.session_id),
                            View(record.turn_id), record.expires_us);
}

Result<std::int64_t> SqliteWrites::begin_turn(const sessions::TurnStart& start) {
    const StoredMessage& message = start.message;
    const bool rewrites = !start.rewrites.empty();
    const std::optional<State> state = find(start.key);
    const bool closes = state && !state->running_turn.empty();
    std::string lost_place;
    if (rewrites) {
        if (!state || !may_rewrite(start.key, *state, start.rewrites)) return std::unexpected(not_to_be_rewritten());
        lost_place = start.rewrites;
    } else if (state) {
        if (message.timestamp <= state->last_timestamp) return std::unexpected(not_later_than_last());
        lost_place = state->running_place;
        if (closes && lost_place.empty()) {
            auto place = place_between(state->last_timestamp, message.timestamp);
            if (!place) return std::unexpected(not_later_than_last());
            lost_place = std::move(*place);
        }
    }

    std::int64_t added = rewrites ? 0 : 1;
    std::int64_t spent = 0;
    if (closes) {
        LostTurn lost = lost_turn(start.key, *state);
        const std::array<sessions::TurnName, 1> name{{{start.key, lost.turn_id}}};
        lost.remains = std::move(turns_.remains(name).front());
        const Closed closed = close(start.key, *state, lost, std::move(lost_place), message.created_at);
        added += closed.added;
        spent = closed.nano;
    }
    if (!rewrites) write_message(insert_message_, start.key, message, message.timestamp);
    keep_idempotency(start);

    const View last = rewrites ? View(start.rewrites) : View(message.timestamp);
    if (state && state->row != 0) {
        update_at_begin_.run(state->row, added, last, View(message.created_at), View(start.model), View(start.system),
                             View(start.context_from), start.context_window, TextOrNull{message.turn_id},
                             TextOrNull{start.rewrites}, std::int64_t{start.first_number}, spent);
        return state->message_count + added;
    }
    if (state) {  // messages of another program's making, the first of ours
        auto rows = count_messages_.query(View(start.key.owner), View(start.key.session_id));
        if (rows.next()) added = rows.integer(0);
    }
    insert_session_.run(View(start.key.owner), View(start.key.session_id), added, last, View(message.created_at),
                        View(first_words(message.content)), View(start.model), View(start.system),
                        View(start.context_from), start.context_window, TextOrNull{message.turn_id},
                        TextOrNull{start.rewrites}, std::int64_t{start.first_number});
    return added;
}

Result<void> SqliteWrites::end_turn(const sessions::TurnEnd& end) {
    const std::optional<State> state = find(end.key);
    const sessions::TurnName name{end.key, end.message.turn_id};
    if (!state || state->running_turn.empty() || state->running_turn != end.message.turn_id) {
        if (!end.bills.empty() && !ledger_.has(name, end.message.created_at))
            ledger_.add(name, end.message.created_at, end.bills);
        return std::unexpected(turn_not_running());
    }
    const bool rewrites = !state->running_place.empty();
    if (!rewrites && end.message.timestamp <= state->last_timestamp) return std::unexpected(not_later_than_last());
    const std::int64_t added = write_answer(end.key, *state, end.message);
    update_at_end_.run(state->row, added, View(rewrites ? state->last_timestamp : end.message.timestamp),
                       View(end.message.created_at), cost_of(end.bills));
    ledger_.add(name, end.message.created_at, end.bills);
    return {};
}

Result<void> SqliteWrites::checkpoint(const std::vector<sessions::TurnCheckpoint>& pieces) {
    turns_.keep(pieces);
    return {};
}

Result<std::int64_t> SqliteWrites::close_interrupted(std::int64_t now_us) {
    std::vector<SessionKey> keys;
    {
        auto rows = running_sessions_.query();
        while (rows.next()) keys.push_back({std::string(rows.text(0)), std::string(rows.text(1))});
    }
    std::vector<State> states;
    std::vector<sessions::TurnName> names;
    for (const SessionKey& key : keys) {
        states.push_back(find(key).value_or(State{}));
        names.push_back({key, states.back().running_turn});
    }
    auto remains = turns_.remains(names);
    for (std::size_t i = 0; i < keys.size(); ++i)
        close_running(keys[i], states[i], std::exchange(remains[i], std::nullopt), now_us);
    return static_cast<std::int64_t>(keys.size());
}

Result<void> SqliteWrites::close_turn(const sessions::TurnName& turn, std::int64_t now_us) {
    const std::optional<State> state = find(turn.key);
    if (!state || state->running_turn.empty() || state->running_turn != turn.turn_id) return {};
    const std::array<sessions::TurnName, 1> name{turn};
    close_running(turn.key, *state, std::move(turns_.remains(name).front()), now_us);
    return {};
}

void SqliteWrites::close_running(const SessionKey& key, const State& state,
                                 std::optional<sessions::TurnRemains> remains, std::int64_t now_us) {
    LostTurn lost = lost_turn(key, state);
    lost.remains = std::move(remains);
    const std::string created_at = base::format_timestamp(now_us);
    const bool rewrites = !state.running_place.empty();
    const std::string place = rewrites ? state.running_place : base::next_timestamp(state.last_timestamp, now_us);
    const Closed closed = close(key, state, lost, place, created_at);
    update_at_end_.run(state.row, closed.added, View(rewrites ? state.last_timestamp : place), View(created_at),
                       closed.nano);
}

Result<bool> SqliteWrites::remove(const SessionKey& key) {
    if (const auto state = find(key); state && !state->running_turn.empty()) turns_.end({key, state->running_turn});
    delete_messages_.run(View(key.owner), View(key.session_id));
    const std::int64_t messages = database_.changes();
    delete_replaced_.run(View(key.owner), View(key.session_id));
    delete_idempotency_.run(View(key.owner), View(key.session_id));
    delete_session_.run(View(key.owner), View(key.session_id));
    return messages + database_.changes() > 0;
}

}  // namespace tertulia::storage
