#include "tertulia/storage/sqlite_running_turns.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "tertulia/base/prefetch.h"
#include "tertulia/base/varint.h"

namespace tertulia::storage {

using sessions::TurnName;
using sessions::TurnRemains;
using View = std::string_view;

namespace {

constexpr std::size_t row_size = 1 << 20;
constexpr std::size_t prefetched = 4;  // names of turns, ahead of the one that is looked up

struct Piece {
    std::uint64_t number = 0;
    bool is_first = false;
    View owner, session_id, turn_id;
    View data;
    View whole;  // the piece with all that belongs to it
};

bool take_piece(View& row, Piece& piece) {
    View rest = row;
    const auto head = base::take_varint(rest);
    if (!head) return false;
    piece.number = *head >> 1;
    piece.is_first = (*head & 1) != 0;
    const auto take = [&rest](View& into) {
        const auto text = base::take_sized(rest);
        if (text) into = *text;
        return text.has_value();
    };
    if (piece.is_first && !(take(piece.owner) && take(piece.session_id) && take(piece.turn_id))) return false;
    if (!take(piece.data)) return false;
    piece.whole = row.substr(0, row.size() - rest.size());
    row = rest;
    return true;
}

void append_piece(std::string& row, std::uint64_t number, bool is_first, const TurnName& turn, View data) {
    base::append_varint(row, number << 1 | (is_first ? 1 : 0));
    if (is_first) {
        base::append_sized(row, turn.key.owner);
        base::append_sized(row, turn.key.session_id);
        base::append_sized(row, turn.turn_id);
    }
    base::append_sized(row, data);
}

}  // namespace

std::size_t SqliteRunningTurns::Hash::hash(const TurnName& turn) {
    return std::hash<std::string>()(turn.turn_id);  // turn ids alone tell turns apart, as a rule
}

SqliteRunningTurns::SqliteRunningTurns(SqliteDatabase& database, std::int64_t compact_bytes)
    : database_(database),
      compact_bytes_(compact_bytes),
      running_(database, "SELECT 1 FROM sessions WHERE owner = ?1 AND session_id = ?2 AND running_turn = ?3"),
      insert_row_(database, "INSERT INTO checkpoints (number, pieces) VALUES (?1, ?2)"),
      read_rows_(database, "SELECT number, pieces FROM checkpoints WHERE number >= ?1 ORDER BY number"),
      delete_rows_(database, "DELETE FROM checkpoints WHERE number >= ?1 AND number < ?2") {
    load();
}

template <class Visit>
std::optional<std::int64_t> SqliteRunningTurns::scan(std::int64_t from, Visit visit) {
    auto rows = read_rows_.query(from);
    while (rows.next()) {
        View row = rows.bytes(1);
        for (Piece piece; !row.empty(); visit(rows.integer(0), piece))
            if (!take_piece(row, piece)) return rows.integer(0);
    }
    return std::nullopt;
}

void SqliteRunningTurns::load() {
    std::unordered_map<std::uint64_t, Turns::value_type*> by_number;
    const auto broken = scan(std::numeric_limits<std::int64_t>::min(), [&](std::int64_t row, const Piece& piece) {
        next_number_ = std::max(next_number_, piece.number + 1);
        if (piece.is_first) {
            TurnName turn{{std::string(piece.owner), std::string(piece.session_id)}, std::string(piece.turn_id)};
            if (!runs(turn)) return;
            auto& entry = *turns_.try_emplace(std::make_shared<const TurnName>(std::move(turn))).first;
            by_number[piece.number] = &entry;
            set(entry.second, {.number = piece.number, .first_row = row});
        }
        const auto found = by_number.find(piece.number);
        if (found == by_number.end()) return;
        Kept kept = found->second->second;
        kept.bytes += std::ssize(piece.whole);
        set(found->second->second, kept);
    });
    // Nothing that comes after it could be read again.
    if (broken) delete_rows_.run(*broken, std::numeric_limits<std::int64_t>::max());
    SqliteStatement sizes(database_, "SELECT number, length(pieces) FROM checkpoints ORDER BY number");
    auto rows = sizes.query();
    while (rows.next()) {
        rows_.push_back({rows.integer(0), rows.integer(1)});
        row_bytes_ += rows_.back().bytes;
    }
    if (!rows_.empty()) next_row_ = rows_.back().number + 1;
    first_new_row_ = next_row_;
}

bool SqliteRunningTurns::runs(const TurnName& turn) {
    return running_.query(View(turn.key.owner), View(turn.key.session_id), View(turn.turn_id)).next();
}

SqliteRunningTurns::Turns::value_type* SqliteRunningTurns::find_or_add(const Name& turn) {
    const auto found = turns_.find(turn);
    if (found != turns_.end()) {
        undo_.push_back({&*found, found->second, {}});
        return &*found;
    }
    if (!runs(*turn)) return nullptr;
    auto& added = *turns_.try_emplace(turn, Kept{.number = next_number_++}).first;
    undo_.push_back({&added, std::nullopt, {}});
    return &added;
}

void SqliteRunningTurns::set(Kept& kept, const Kept& to) {
    if (kept.first_row != to.first_row) {
        if (const auto from = first_rows_.find(kept.first_row); from != first_rows_.end() && --from->second == 0)
            first_rows_.erase(from);
        if (to.first_row != 0) ++first_rows_[to.first_row];
    }
    turn_bytes_ += to.bytes - kept.bytes;
    kept = to;
}

void SqliteRunningTurns::keep(std::span<const sessions::TurnCheckpoint> pieces) {
    std::string row;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const sessions::TurnCheckpoint& piece = pieces[i];
        if (i + 2 * prefetched < pieces.size()) base::prefetch(pieces[i + 2 * prefetched].turn.get());
        if (i + prefetched < pieces.size()) base::prefetch(pieces[i + prefetched].turn->turn_id.data());
        auto* turn = find_or_add(piece.turn);
        if (turn == nullptr) continue;
        Kept kept = turn->second;
        const bool is_first = piece.is_whole || kept.first_row == 0;
        const std::size_t size_before = row.size();
        append_piece(row, kept.number, is_first, *turn->first, piece.data);
        if (is_first) kept = {.number = kept.number, .first_row = next_row_};
        kept.bytes += static_cast<std::int64_t>(row.size() - size_before);
        set(turn->second, kept);
        if (row.size() >= row_size) add_row(row);
    }
    add_row(row);
}

void SqliteRunningTurns::add_row(std::string& pieces) {
    if (pieces.empty()) return;
    insert_row_.run(next_row_, BytesOrNull{pieces});
    rows_.push_back({next_row_++, std::ssize(pieces)});
    row_bytes_ += rows_.back().bytes;
    pieces.clear();
}

void SqliteRunningTurns::end(const TurnName& turn) {
    const auto found = turns_.find(turn);
    if (found == turns_.end()) return;
    undo_.push_back({&*found, found->second, {}});
    set(found->second, {.number = found->second.number});
    auto* entry = &*found;
    undo_.push_back({entry, std::nullopt, turns_.extract(found)});
}

std::vector<std::optional<TurnRemains>> SqliteRunningTurns::remains(std::span<const TurnName> turns) {
    std::vector<std::optional<TurnRemains>> result(turns.size());
    struct Place {
        std::size_t index;
        bool ended;
    };
    std::unordered_map<std::uint64_t, Place> wanted;
    std::int64_t from = std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const auto found = turns_.find(turns[i]);
        if (found == turns_.end()) continue;
        wanted[found->second.number] = {i, false};
        from = std::min(from, found->second.first_row);
    }
    if (wanted.empty()) return result;
    scan(from, [&](std::int64_t, const Piece& piece) {
        const auto found = wanted.find(piece.number);
        if (found == wanted.end()) return;
        auto& [index, ended] = found->second;
        if (piece.is_first) {
            result[index].emplace();
            ended = false;
        }
        // What follows a gap would be put together wrongly.
        if (!ended && result[index]) ended = !result[index]->add(piece.data);
    });
    return result;
}

void SqliteRunningTurns::compact() {
    std::unordered_map<std::uint64_t, std::pair<Turns::value_type*, std::string>> wanted;
    for (auto& turn : turns_) wanted[turn.second.number].first = &turn;
    scan(first_rows_.begin()->first, [&](std::int64_t, const Piece& piece) {
        const auto found = wanted.find(piece.number);
        if (found == wanted.end()) return;
        if (piece.is_first) found->second.second.clear();
        found->second.second += piece.whole;
    });
    std::string row;
    for (auto& [number, entry] : wanted) {
        auto& [turn, pieces] = entry;
        undo_.push_back({turn, turn->second, {}});
        set(turn->second, {.number = number, .first_row = next_row_, .bytes = std::ssize(pieces)});
        row += pieces;
        if (row.size() >= row_size) add_row(row);
    }
    add_row(row);
}

void SqliteRunningTurns::before_commit() {
    const auto delete_unwanted = [this] {
        const std::int64_t wanted = first_rows_.empty() ? next_row_ : first_rows_.begin()->first;
        if (rows_.empty() || rows_.front().number >= wanted) return;
        delete_rows_.run(rows_.front().number, wanted);
        for (; !rows_.empty() && rows_.front().number < wanted; rows_.pop_front()) {
            row_bytes_ -= rows_.front().bytes;
            deleted_.push_back(rows_.front());
        }
    };
    delete_unwanted();
    // One long turn must not keep what thousands of short ones have left beside it.
    if (row_bytes_ <= compact_bytes_ || row_bytes_ / 4 <= turn_bytes_) return;
    compact();
    delete_unwanted();
}

void SqliteRunningTurns::committed() {
    undo_.clear();
    deleted_.clear();
    first_new_row_ = next_row_;
}

void SqliteRunningTurns::rolled_back() {
    for (; !undo_.empty(); undo_.pop_back()) {
        Undo& undo = undo_.back();
        if (!undo.taken.empty()) {
            turns_.insert(std::move(undo.taken));
        } else if (undo.before) {
            set(undo.turn->second, *undo.before);
        } else {
            set(undo.turn->second, {});
            turns_.erase(turns_.find(undo.turn->first));
        }
    }
    for (; !deleted_.empty(); deleted_.pop_back()) {
        rows_.push_front(deleted_.back());
        row_bytes_ += deleted_.back().bytes;
    }
    // The numbers of rows that are gone are not used again before the next start.
    for (; !rows_.empty() && rows_.back().number >= first_new_row_; rows_.pop_back()) row_bytes_ -= rows_.back().bytes;
    first_new_row_ = next_row_;
}

}  // namespace tertulia::storage
