#include "tests/support/shared_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tertulia/storage/session_rules.h"

namespace tertulia::test {

using base::Result;
using sessions::SessionKey;
using sessions::TurnName;
using sessions::TurnState;

// -- claims ----------------------------------------------------------------------------------------------------------

// The session's claim, if its process still has it. A turn that was lost is closed first.
async::Task<SharedTable::Claim*> SharedTable::living(SessionKey key) {
    const auto found = claims_.find({key.owner, key.session_id});
    if (found == claims_.end()) co_return nullptr;
    Claim& claim = found->second;
    if (clock.steady() < claim.until) co_return &claim;
    if (claim.has_begun) {
        storage::LostTurn lost{.turn_id = claim.turn_id, .model = claim.model, .first_number = claim.first_number};
        if (!claim.pieces.empty()) {
            lost.remains.emplace();
            for (const std::string& piece : claim.pieces) EXPECT_TRUE(lost.remains->add(piece));
        }
        std::string place = sessions::answer_place(claim.question_place);
        if (!claim.rewrites.empty()) {
            place = claim.rewrites;
            lost.before = (co_await memory.open(key, 1, 1)).value().value().newest.front();
        }
        sessions::TurnEnd end{
            .key = key,
            .message = storage::interrupted_answer(lost, std::move(place), base::format_timestamp(clock.wall_us()))};
        const auto ended = co_await memory.end_turn(std::move(end));
        EXPECT_TRUE(ended.has_value());
        closed.push_back(claim.turn_id);
    }
    claims_.erase(found);
    co_return nullptr;
}

SharedTable::Claim* SharedStore::held(const SessionKey& key, const std::string& turn_id) {
    const auto found = table_.claims_.find({key.owner, key.session_id});
    if (found == table_.claims_.end()) return nullptr;
    SharedTable::Claim& claim = found->second;
    const bool is_mine = claim.holder == this && claim.turn_id == turn_id && table_.clock.steady() < claim.until;
    return is_mine ? &claim : nullptr;
}

void SharedStore::freeze() {
    is_frozen_ = true;
    for (auto& [key, claim] : table_.claims_)
        if (claim.holder == this) claim.until = table_.clock.steady() + SharedTable::lease;
}

void SharedStore::thaw() {
    is_frozen_ = false;
    const auto holds = held_;
    for (const auto& [key, mine] : holds) {
        SharedTable::Claim* const claim = held({.owner = key.first, .session_id = key.second}, mine.turn_id);
        if (!claim) {
            held_.erase(key);
            if (mine.stop) mine.stop(TurnState::interrupted);
            continue;
        }
        claim->until = base::SteadyTime::max();
        if (claim->asked && claim->stop) claim->stop(*std::exchange(claim->asked, std::nullopt));
    }
    for (const auto& waiter : std::exchange(waiting_, {})) waiter->wake();
}

async::Task<Result<void>> SharedStore::reach(const char* method) {
    ++calls[method];
    if (on_call) on_call(method);
    while (is_frozen_) {
        const auto waiter = async::Waiter::make(executor_);
        waiting_.insert(waiter);
        co_await waiter->wait(base::Deadline::never());
    }
    if (is_away || broken.contains(method)) co_return base::fail(base::Errc::unavailable, "The store is away.");
    co_return Result<void>();
}

// -- what only shared stores have ------------------------------------------------------------------------------------

async::Task<Result<std::optional<sessions::SessionSnapshot>>> SharedStore::open_turn(sessions::TurnOpening opening) {
    if (auto reached = co_await reach("open_turn"); !reached) co_return std::unexpected(reached.error());
    const SessionKey key = opening.turn.key;
    if (co_await table_.living(key))
        co_return std::unexpected(base::Error{.code = base::Errc::conflict,
                                              .message = "Another message of this session is being answered.",
                                              .retry_after = base::Milliseconds(1000)});
    SharedTable::Claim claim;
    claim.turn_id = opening.turn.turn_id;
    claim.holder = this;
    claim.stop = opening.stop;
    claim.watched = opening.watched;
    tell_watched(claim, table_.watchers_[{key.owner, key.session_id}]);
    auto session = co_await table_.memory.open(key, opening.max_messages, opening.max_bytes);
    if (!*session) session->emplace().header.session_id = key.session_id;
    claim.question_place = base::next_timestamp((*session)->header.last_timestamp, table_.clock.wall_us());
    (*session)->question_place = claim.question_place;
    table_.claims_[{key.owner, key.session_id}] = std::move(claim);
    held_[{key.owner, key.session_id}] = {opening.turn.turn_id, std::move(opening.stop)};
    co_return session;
}

async::Task<Result<void>> SharedStore::abandon_turn(TurnName turn) {
    const SharedTable::Key key{turn.key.owner, turn.key.session_id};
    auto reached = co_await reach("abandon_turn");
    SharedTable::Claim* const claim = held(turn.key, turn.turn_id);
    if (claim) held_.erase(key);
    if (claim && !reached) {
        claim->holder = nullptr;
        claim->until = table_.clock.steady() + SharedTable::lease;
    } else if (claim) {
        claim->holder = nullptr;
        claim->until = table_.clock.steady();
        co_await table_.living(turn.key);
    }
    co_return reached;
}

async::Task<Result<std::optional<sessions::IdempotencyRecord>>> SharedStore::claim_key(
    std::string owner, sessions::IdempotencyRecord record, std::string instead_of, std::int64_t now_us) {
    if (auto reached = co_await reach("claim_key"); !reached) co_return std::unexpected(reached.error());
    sessions::IdempotencyRecord& known = table_.keys_[{owner, record.key}];
    if (known.expires_us > now_us && known.turn_id != instead_of && known.turn_id != record.turn_id) co_return known;
    known = std::move(record);
    co_return std::nullopt;
}

async::Task<Result<void>> SharedStore::free_key(std::string owner, std::string key, std::string turn_id) {
    if (auto reached = co_await reach("free_key"); !reached) co_return reached;
    const auto found = table_.keys_.find({owner, key});
    if (found != table_.keys_.end() && found->second.turn_id == turn_id) table_.keys_.erase(found);
    co_return Result<void>();
}

async::Task<Result<bool>> SharedStore::ask_to_stop(TurnName turn, TurnState as) {
    if (auto reached = co_await reach("ask_to_stop"); !reached) co_return std::unexpected(reached.error());
    SharedTable::Claim* const claim = co_await table_.living(turn.key);
    if (!claim || claim->turn_id != turn.turn_id) co_return false;
    if (claim->holder && !claim->holder->is_frozen_ && claim->stop)
        claim->stop(as);
    else
        claim->asked = as;
    co_return true;
}

async::Task<Result<std::string>> SharedStore::running_turn(SessionKey key) {
    if (auto reached = co_await reach("running_turn"); !reached) co_return std::unexpected(reached.error());
    SharedTable::Claim* const claim = co_await table_.living(key);
    co_return claim ? claim->turn_id : std::string();
}

// Its process learns of it at once: how soon a real store tells is its own matter.
async::Task<Result<void>> SharedStore::watch(SessionKey key) {
    if (auto reached = co_await reach("watch"); !reached) co_return reached;
    std::set<const SharedStore*>& watchers = table_.watchers_[{key.owner, key.session_id}];
    watchers.insert(this);
    const auto claim = table_.claims_.find({key.owner, key.session_id});
    if (claim != table_.claims_.end()) tell_watched(claim->second, watchers);
    co_return Result<void>();
}

void SharedStore::tell_watched(const SharedTable::Claim& claim, const std::set<const SharedStore*>& watchers) {
    const auto elsewhere = [&claim](const SharedStore* watcher) { return watcher != claim.holder; };
    if (claim.holder && claim.watched && std::ranges::any_of(watchers, elsewhere))
        claim.watched(SharedTable::watch_time);
}

async::Task<Result<sessions::TurnNews>> SharedStore::news(TurnName turn, sessions::NewsPlace from) {
    if (auto reached = co_await reach("news"); !reached) co_return std::unexpected(reached.error());
    SharedTable::Claim* const claim = co_await table_.living(turn.key);
    if (!claim || claim->turn_id != turn.turn_id) co_return sessions::TurnNews{.may_be_over = true, .next = from};
    sessions::TurnNews news{.is_whole = from.piece <= claim->forgotten};
    const std::uint64_t seen = news.is_whole ? 0 : from.piece - claim->forgotten;
    for (std::size_t i = seen; i < claim->pieces.size(); ++i) news.pieces.push_back(claim->pieces[i]);
    news.next.piece = claim->forgotten + claim->pieces.size();
    co_return news;
}

async::Task<Result<void>> SharedStore::hand_over(TurnName turn) {
    if (auto reached = co_await reach("hand_over"); !reached) co_return reached;
    SharedTable::Claim* const claim = held(turn.key, turn.turn_id);
    if (!claim) co_return std::unexpected(storage::turn_not_running());
    held_.erase({turn.key.owner, turn.key.session_id});
    claim->holder = nullptr;
    claim->stop = nullptr;
    claim->is_handed = true;
    claim->until = table_.clock.steady() + SharedTable::handed_lease;
    co_return Result<void>();
}

async::Task<Result<sessions::HandedTurn>> SharedStore::take_over(sessions::TurnOpening opening) {
    if (auto reached = co_await reach("take_over"); !reached) co_return std::unexpected(reached.error());
    const SessionKey key = opening.turn.key;
    SharedTable::Claim* const claim = co_await table_.living(key);
    if (!claim || claim->turn_id != opening.turn.turn_id || !claim->is_handed)
        co_return std::unexpected(storage::turn_not_running());
    claim->holder = this;
    claim->is_handed = false;
    claim->until = base::SteadyTime::max();
    claim->stop = opening.stop;
    claim->watched = opening.watched;
    tell_watched(*claim, table_.watchers_[{key.owner, key.session_id}]);
    held_[{key.owner, key.session_id}] = {opening.turn.turn_id, opening.stop};
    if (claim->asked) opening.stop(*std::exchange(claim->asked, std::nullopt));
    auto session = co_await table_.memory.open(key, opening.max_messages, opening.max_bytes);
    co_return sessions::HandedTurn{.session = std::move(session.value().value()),
                                   .pieces = claim->pieces,
                                   .first_number = claim->first_number,
                                   .rewrites = claim->rewrites};
}

// -- a turn ----------------------------------------------------------------------------------------------------------

async::Task<Result<std::int64_t>> SharedStore::begin_turn(sessions::TurnStart start) {
    if (auto reached = co_await reach("begin_turn"); !reached) co_return std::unexpected(reached.error());
    EXPECT_FALSE(start.idempotency) << "it was claimed before";
    SharedTable::Claim* const claim = held(start.key, start.message.turn_id);
    if (!claim) {
        ++refused;
        co_return std::unexpected(storage::not_later_than_last());
    }
    if (start.rewrites.empty()) EXPECT_EQ(start.message.timestamp, claim->question_place);
    claim->rewrites = start.rewrites;
    claim->model = start.model;
    claim->first_number = start.first_number;
    auto begun = co_await table_.memory.begin_turn(std::move(start));
    claim->has_begun = begun.has_value();
    co_return begun;
}

async::Task<Result<void>> SharedStore::end_turn(sessions::TurnEnd end) {
    const SharedTable::Key key{end.key.owner, end.key.session_id};
    auto reached = co_await reach("end_turn");
    SharedTable::Claim* const claim = held(end.key, end.message.turn_id);
    if (!claim) {
        ++refused;
        co_return std::unexpected(storage::turn_not_running());
    }
    held_.erase(key);
    if (!reached) {
        claim->holder = nullptr;
        claim->until = table_.clock.steady() + SharedTable::lease;
        co_return reached;
    }
    if (claim->rewrites.empty()) EXPECT_EQ(end.message.timestamp, sessions::answer_place(claim->question_place));
    auto ended = co_await table_.memory.end_turn(std::move(end));
    table_.claims_.erase(key);
    co_return ended;
}

async::Task<Result<void>> SharedStore::checkpoint(std::vector<sessions::TurnCheckpoint> pieces) {
    if (auto reached = co_await reach("checkpoint"); !reached) co_return reached;
    for (sessions::TurnCheckpoint& piece : pieces) {
        SharedTable::Claim* const claim = held(piece.turn->key, piece.turn->turn_id);
        if (!claim) continue;
        if (piece.is_whole) {
            claim->forgotten += claim->pieces.size();
            claim->pieces.clear();
        }
        claim->pieces.push_back(std::move(piece.data));
    }
    co_return Result<void>();
}

async::Task<Result<bool>> SharedStore::remove(SessionKey key) {
    if (auto reached = co_await reach("remove"); !reached) co_return std::unexpected(reached.error());
    const auto claim = table_.claims_.find({key.owner, key.session_id});
    const bool is_mine = claim != table_.claims_.end() && held(key, claim->second.turn_id);
    EXPECT_TRUE(is_mine && !claim->second.has_begun) << "a session is deleted by who has claimed it";
    const auto removed = co_await table_.memory.remove(key);
    if (!removed || !*removed) co_return removed;
    held_.erase({key.owner, key.session_id});
    table_.claims_.erase({key.owner, key.session_id});
    std::erase_if(table_.keys_, [&](const auto& entry) {
        return entry.first.first == key.owner && entry.second.session_id == key.session_id;
    });
    co_return removed;
}

// -- reading ---------------------------------------------------------------------------------------------------------

async::Task<Result<std::optional<sessions::SessionSnapshot>>> SharedStore::open(SessionKey key,
                                                                                std::int64_t max_messages,
                                                                                std::int64_t max_bytes) {
    if (auto reached = co_await reach("open"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.open(std::move(key), max_messages, max_bytes);
}

async::Task<Result<std::vector<sessions::StoredMessage>>> SharedStore::older(SessionKey key, std::string before,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) {
    if (auto reached = co_await reach("older"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.older(std::move(key), std::move(before), max_messages, max_bytes);
}

async::Task<Result<std::optional<sessions::StoredTurn>>> SharedStore::turn(TurnName name) {
    if (auto reached = co_await reach("turn"); !reached) co_return std::unexpected(reached.error());
    co_await table_.living(name.key);
    co_return co_await table_.memory.turn(std::move(name));
}

async::Task<Result<std::string>> SharedStore::next_turn(TurnName after) {
    if (auto reached = co_await reach("next_turn"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.next_turn(std::move(after));
}

async::Task<Result<std::optional<sessions::IdempotencyRecord>>> SharedStore::idempotency(std::string owner,
                                                                                         std::string key,
                                                                                         std::int64_t now_us) {
    if (auto reached = co_await reach("idempotency"); !reached) co_return std::unexpected(reached.error());
    const auto found = table_.keys_.find({owner, key});
    if (found == table_.keys_.end() || found->second.expires_us <= now_us) co_return std::nullopt;
    co_return found->second;
}

async::Task<Result<std::optional<sessions::MessagePage>>> SharedStore::messages(SessionKey key,
                                                                                sessions::MessageQuery query) {
    if (auto reached = co_await reach("messages"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.messages(std::move(key), std::move(query));
}

async::Task<Result<sessions::SessionPage>> SharedStore::sessions(std::string owner, std::int64_t limit,
                                                                 std::string after) {
    if (auto reached = co_await reach("sessions"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.sessions(std::move(owner), limit, std::move(after));
}

async::Task<Result<sessions::UsageReport>> SharedStore::usage(sessions::UsageQuery query) {
    if (auto reached = co_await reach("usage"); !reached) co_return std::unexpected(reached.error());
    co_return co_await table_.memory.usage(std::move(query));
}

}  // namespace tertulia::test
