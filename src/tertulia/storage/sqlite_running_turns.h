// What is kept of running turns in case of a crash.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// The table `checkpoints` as a log: each row holds pieces of many turns, rows are only added at the end and deleted
/// from the beginning, as soon as no running turn has anything in them. What it knows beside the table (the turns that
/// have pieces, and where these begin) follows the transaction: after it, call one of `committed` and `rolled_back`.
/// A turn without pieces costs nothing. Where the database has failed results mean nothing. One per worker.
///
/// A row is a sequence of pieces: LEB128 number of the turn (given at its first piece) times 2, plus 1 where the turn's
/// pieces begin here; then, of such a piece, owner, session id and turn id; then the data, all four with their size.
class SqliteRunningTurns {
  public:
    /// From so many bytes on the log is rewritten when less than a quarter of it is still wanted.
    static constexpr std::int64_t usual_compact_bytes = 64 << 20;

    /// Takes up what a former process has left.
    explicit SqliteRunningTurns(SqliteDatabase& database, std::int64_t compact_bytes = usual_compact_bytes);

    /// Adds pieces; those of turns that do not run are passed over.
    void keep(std::span<const sessions::TurnCheckpoint> pieces);
    /// The turn ends: its pieces are no longer wanted.
    void end(const sessions::TurnName& turn);
    /// What was kept of each of these (nothing where nothing was), up to the first piece that is none.
    std::vector<std::optional<sessions::TurnRemains>> remains(std::span<const sessions::TurnName> turns);

    /// Deletes rows that nobody wants. The last step of each transaction.
    void before_commit();
    void committed();
    void rolled_back();

  private:
    struct Kept {
        std::uint64_t number = 0;
        std::int64_t first_row = 0;
        std::int64_t bytes = 0;
    };
    // A running turn's name is the one that the turn has; a mere value is looked up too.
    using Name = std::shared_ptr<const sessions::TurnName>;
    static const sessions::TurnName* name_of(const Name& turn) { return turn.get(); }
    static const sessions::TurnName* name_of(const sessions::TurnName& turn) { return &turn; }
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const auto& turn) const { return hash(*name_of(turn)); }
        static std::size_t hash(const sessions::TurnName& turn);
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const auto& a, const auto& b) const { return equal(*name_of(a), *name_of(b)); }
        static bool equal(const sessions::TurnName& a, const sessions::TurnName& b) {
            return &a == &b || (a.turn_id == b.turn_id && a.key == b.key);
        }
    };
    using Turns = std::unordered_map<Name, Kept, Hash, Equal>;
    // How to take a change back: it was `before`; or it was added (nothing before); or it was taken out.
    struct Undo {
        Turns::value_type* turn;
        std::optional<Kept> before;
        Turns::node_type taken;
    };
    struct Row {
        std::int64_t number;
        std::int64_t bytes;
    };

    void load();
    bool runs(const sessions::TurnName& turn);
    Turns::value_type* find_or_add(const Name& turn);
    void set(Kept& kept, const Kept& to);
    void add_row(std::string& pieces);
    void compact();
    // Calls `visit(row, piece)` for the pieces from this row on; gives the row whose form is wrong, where it ended.
    template <class Visit>
    std::optional<std::int64_t> scan(std::int64_t from, Visit visit);

    SqliteDatabase& database_;
    const std::int64_t compact_bytes_;
    SqliteStatement running_;
    SqliteStatement insert_row_;
    SqliteStatement read_rows_;
    SqliteStatement delete_rows_;

    Turns turns_;
    std::map<std::int64_t, std::int64_t> first_rows_;  // how many turns' pieces begin in this row
    std::deque<Row> rows_;
    std::int64_t row_bytes_ = 0;
    std::int64_t turn_bytes_ = 0;
    std::int64_t next_row_ = 1;
    std::uint64_t next_number_ = 1;

    // Since the last commit.
    std::vector<Undo> undo_;
    std::vector<Row> deleted_;
    std::int64_t first_new_row_ = 1;
};

}  // namespace tertulia::storage
