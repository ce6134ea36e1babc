#include "tertulia/storage/sqlite_running_turns.h"

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <random>

#include "tertulia/storage/sqlite_schema.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::storage {
namespace {

using sessions::TurnCheckpoint;
using sessions::TurnName;
using sessions::TurnRemains;

class SqliteRunningTurnsTest : public testing::Test {
  protected:
    SqliteRunningTurnsTest() {
        database.execute("PRAGMA synchronous = OFF");
        EXPECT_TRUE(migrate(database));
        reopen();
    }
    void reopen(std::int64_t compact_bytes = SqliteRunningTurns::usual_compact_bytes) {
        turns.reset();
        turns = std::make_unique<SqliteRunningTurns>(database, compact_bytes);
        ASSERT_FALSE(database.failed()) << database.error()->text;
    }
    static TurnName name(const std::string& session, const std::string& turn = "t") {
        return {{"local", session}, turn};
    }
    void start(const TurnName& turn) {
        SqliteStatement insert(database,
                               "INSERT INTO sessions VALUES (?1, ?2, 1, '', '', '', '', '', '', 0, ?3, NULL, 1, 0)");
        insert.run(std::string_view(turn.key.owner), std::string_view(turn.key.session_id),
                   std::string_view(turn.turn_id));
    }
    void stop(const TurnName& turn) {
        SqliteStatement remove(database, "DELETE FROM sessions WHERE owner = ?1 AND session_id = ?2");
        remove.run(std::string_view(turn.key.owner), std::string_view(turn.key.session_id));
        turns->end(turn);
    }
    static TurnCheckpoint piece(const TurnName& turn, std::string_view text, bool is_whole = false) {
        return {.turn = std::make_shared<const TurnName>(turn),
                .data = TurnRemains::piece("", "", 0, "", text),
                .is_whole = is_whole};
    }
    void keep(const std::vector<TurnCheckpoint>& pieces) {
        transaction([&] { turns->keep(pieces); });
    }
    template <class Work>
    void transaction(Work work, bool fails = false) {
        database.execute("BEGIN IMMEDIATE");
        work();
        turns->before_commit();
        ASSERT_FALSE(database.failed()) << database.error()->text;
        database.execute(fails ? "ROLLBACK" : "COMMIT");
        if (fails)
            turns->rolled_back();
        else
            turns->committed();
    }
    // The text that was kept; "-" where there is none.
    std::string kept(const TurnName& turn) {
        const std::array<TurnName, 1> names{turn};
        const auto remains = turns->remains(names);
        return remains.front() ? remains.front()->bytes : "-";
    }
    std::int64_t rows() { return database.query_integer("SELECT count(*) FROM checkpoints"); }
    std::int64_t bytes() { return database.query_integer("SELECT sum(length(pieces)) FROM checkpoints"); }

    tests::TemporaryFolder folder;
    SqliteDatabase database =
        std::move(SqliteDatabase::open(folder / "a.db", SqliteDatabase::Mode::create, 100).value());
    std::unique_ptr<SqliteRunningTurns> turns;
    const TurnName a = name("a"), b = name("b"), c = name("c");
};

TEST_F(SqliteRunningTurnsTest, pieces_are_put_together_in_their_order) {
    start(a);
    start(b);
    EXPECT_EQ(kept(a), "-");
    keep({piece(a, "1"), piece(b, "x"), piece(a, "2")});
    keep({piece(b, "y")});
    keep({piece(a, "3")});
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(kept(a), "123");
        EXPECT_EQ(kept(b), "xy");
        EXPECT_EQ(kept(c), "-");
        EXPECT_EQ(rows(), 3);
        reopen();
    }
}

TEST_F(SqliteRunningTurnsTest, what_does_not_run_is_not_kept) {
    start(a);
    keep({piece(b, "1"), piece(name("a", "other"), "2"), piece({{"other", "a"}, "t"}, "3")});
    EXPECT_EQ(rows(), 0);
    keep({piece(b, "1"), piece(a, "2")});
    EXPECT_EQ(kept(a), "2");
    EXPECT_EQ(kept(b), "-");
}

TEST_F(SqliteRunningTurnsTest, rows_go_when_nobody_wants_them) {
    for (const TurnName& turn : {a, b, c}) start(turn);
    keep({piece(a, "1")});
    keep({piece(a, "2"), piece(b, "x")});
    keep({piece(c, "z")});
    transaction([&] { stop(b); });
    EXPECT_EQ(rows(), 3);
    transaction([&] { stop(a); });
    EXPECT_EQ(rows(), 1);
    EXPECT_EQ(kept(c), "z");
    transaction([&] { stop(c); });
    EXPECT_EQ(rows(), 0);
    start(a);
    keep({piece(a, "new")});
    EXPECT_EQ(kept(a), "new");
}

TEST_F(SqliteRunningTurnsTest, a_whole_piece_forgets_what_was_before) {
    start(a);
    keep({piece(a, "1")});
    keep({piece(a, "2"), piece(a, "whole", true), piece(a, "+")});
    EXPECT_EQ(rows(), 1);
    keep({piece(a, "!")});
    EXPECT_EQ(kept(a), "whole+!");
    reopen();
    EXPECT_EQ(kept(a), "whole+!");
}

TEST_F(SqliteRunningTurnsTest, a_turn_that_begins_is_kept_and_ends_in_one_transaction_leaves_nothing) {
    transaction([&] {
        start(a);
        turns->keep(std::vector{piece(a, "1")});
        stop(a);
    });
    EXPECT_EQ(rows(), 0);
}

TEST_F(SqliteRunningTurnsTest, what_is_rolled_back_was_never_there) {
    start(a);
    start(b);
    keep({piece(a, "1")});
    transaction(
        [&] {
            turns->keep(std::vector{piece(a, "lost", true), piece(b, "lost")});
            stop(a);
        },
        true);
    EXPECT_EQ(kept(a), "1");
    EXPECT_EQ(kept(b), "-");
    keep({piece(a, "2"), piece(b, "x")});
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(kept(a), "12");
        EXPECT_EQ(kept(b), "x");
        EXPECT_EQ(rows(), 2);
        reopen();
    }
}

TEST_F(SqliteRunningTurnsTest, many_bytes_make_many_rows) {
    start(a);
    const std::string large(600'000, 'x');
    keep({piece(a, large), piece(a, large), piece(a, large)});
    EXPECT_EQ(rows(), 2);
    EXPECT_EQ(kept(a).size(), 1'800'000u);
}

TEST_F(SqliteRunningTurnsTest, one_long_turn_does_not_keep_all_the_others) {
    reopen(20'000);
    start(a);
    std::string expected;
    std::int64_t most = 0;
    for (int i = 0; i < 500; ++i) {
        const TurnName other = name("s" + std::to_string(i));
        start(other);
        expected += static_cast<char>('a' + i % 26);
        keep({piece(a, expected.substr(expected.size() - 1)), piece(other, std::string(500, 'x'))});
        transaction([&] { stop(other); });
        most = std::max(most, bytes());
    }
    EXPECT_LE(most, 20'000);
    EXPECT_GT(most, 15'000);
    EXPECT_EQ(kept(a), expected);
    reopen();
    EXPECT_EQ(kept(a), expected);
}

TEST_F(SqliteRunningTurnsTest, a_row_that_is_none_ends_the_log) {
    start(a);
    start(b);
    keep({piece(a, "1")});
    keep({piece(a, "2")});
    keep({piece(a, "3"), piece(b, "x")});
    for (const char* garbage : {"x'ff'", "x'0305'", "'text'", "NULL"}) {
        database.execute(fmt::format("UPDATE OR FAIL checkpoints SET pieces = {} WHERE number = 2", garbage).c_str());
        if (database.take_error()) continue;  // NOT NULL
        reopen();
        EXPECT_EQ(kept(a), "1") << garbage;
        EXPECT_EQ(kept(b), "-") << garbage;
        keep({piece(a, "2"), piece(b, "x")});
        EXPECT_EQ(kept(a), "12") << garbage;
        EXPECT_EQ(kept(b), "x") << garbage;
    }
}

TEST_F(SqliteRunningTurnsTest, nothing_is_put_behind_a_piece_that_is_none) {
    start(a);
    TurnCheckpoint bad = piece(a, "");
    bad.data = "nonsense";
    keep({piece(a, "1"), bad, piece(a, "2")});
    keep({piece(a, "3")});
    EXPECT_EQ(kept(a), "1");
    keep({piece(a, "whole", true)});
    EXPECT_EQ(kept(a), "whole");
}

// Whatever happens in whatever order, what is kept is what a plain map says.
TEST_F(SqliteRunningTurnsTest, it_does_what_a_map_does) {
    std::mt19937 random(20241122);
    const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    reopen(3'000);
    std::map<std::string, std::string> model;  // session: text, "-" where nothing was kept
    std::array<int, 8> begun{};                // how many sessions had this place; the last one may still run
    const auto session_of = [&](std::uint32_t place) { return fmt::format("s{}-{}", place, begun.at(place)); };
    for (int step = 0; step < 1500; ++step) {
        auto after = model;
        const bool fails = pick(5) == 0;
        const auto keep_some = [&] {
            std::vector<TurnCheckpoint> pieces;
            for (std::uint32_t n = pick(4); n-- > 0;) {
                const std::string session = session_of(pick(8));
                const bool whole = pick(6) == 0;
                const std::string text = std::to_string(step) + std::string(pick(120), '.');
                pieces.push_back(piece(name(session), text, whole));
                if (const auto found = after.find(session); found != after.end())
                    found->second = whole || found->second == "-" ? text : found->second + text;
            }
            turns->keep(pieces);
        };
        const auto work = [&] {
            for (std::uint32_t i = pick(5); i-- > 0;) {
                const std::uint32_t place = pick(8);
                if (!after.contains(session_of(place))) {
                    ++begun.at(place);
                    start(name(session_of(place)));
                    after[session_of(place)] = "-";
                } else if (pick(6) == 0) {
                    stop(name(session_of(place)));
                    after.erase(session_of(place));
                } else {
                    keep_some();
                }
            }
        };
        transaction(work, fails);
        if (!fails) model = after;
        if (pick(50) == 0) reopen(3'000);
        std::int64_t wanted = 0;
        for (std::uint32_t place = 0; place < 8; ++place) {
            const auto found = model.find(session_of(place));
            ASSERT_EQ(kept(name(session_of(place))), found == model.end() ? "-" : found->second) << "step " << step;
            if (found != model.end() && found->second != "-") wanted += std::ssize(found->second);
        }
        if (wanted == 0) ASSERT_EQ(rows(), 0) << "step " << step;
        ASSERT_LE(bytes(), 3'000 + 4 * (10 * wanted + 500)) << "step " << step;
    }
}

}  // namespace
}  // namespace tertulia::storage
