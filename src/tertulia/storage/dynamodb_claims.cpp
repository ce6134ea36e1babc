// Who may write to a session: claims, and what becomes of those whose process is gone.
#include <algorithm>

#include "tertulia/base/date_text.h"
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using base::Errc;
using sessions::SessionKey;

namespace {

constexpr int claim_tries = 8;
// How soon whoever is refused may look again.
constexpr base::Milliseconds soonest_retry{100}, latest_retry{500};

base::Error taken(std::int64_t left_ms) {
    return {.code = Errc::conflict,
            .message = "Another answer of this session is still being given; send again later.",
            .retry_after = std::clamp(base::Milliseconds(left_ms), soonest_retry, latest_retry)};
}

base::Error moved_on() {
    return {.code = Errc::conflict,
            .message = "The session has moved on; read it again and retry",
            .retry_after = soonest_retry};
}

// What a turn that comes without having been opened must find.
std::optional<base::Error> refusal(const sessions::TurnStart& start, const DynamoMessage* newest) {
    if (!start.rewrites.empty()) {
        if (newest && newest->message.timestamp == start.rewrites && can_be_rewritten(newest->message)) return {};
        return not_to_be_rewritten();
    }
    if (newest && start.message.timestamp <= newest->message.timestamp) return not_later_than_last();
    return {};
}

// Behind the places of the last message, all of which are its own.
std::string place_after(const std::string& last, std::int64_t now_us) {
    const auto last_us = base::parse_rfc3339(last);
    const std::int64_t first_free_us = last_us ? *last_us + sessions::places_of_a_message : 0;
    return base::next_timestamp(last, std::max(now_us, first_free_us));
}

// A question of ours without an answer.
bool is_unanswered(const DynamoMessage& newest) {
    return newest.message.role == chat::Role::user && !newest.message.turn_id.empty();
}

bool is_answered(const DynamoHeader& header, const std::vector<DynamoMessage>& newest) {
    return std::ranges::any_of(newest, [&](const DynamoMessage& each) { return has_ended(header, &each); });
}

}  // namespace

// Where the last message stands, or the answer that it still lacks.
std::string DynamoSessions::end_of(const View& view) {
    const DynamoMessage* newest = view.front();
    if (!newest) return {};
    return is_unanswered(*newest) ? sessions::answer_place(newest->message.timestamp) : newest->message.timestamp;
}

async::Task<base::Result<DynamoSessions::View>> DynamoSessions::look(const SessionKey& key,
                                                                     const sessions::TurnOpening& opening,
                                                                     Deadline deadline, bool may_lag) {
    auto part = co_await history_.read(key,
                                       {.max_messages = std::max<std::int64_t>(2, opening.max_messages),
                                        .max_bytes = std::max<std::int64_t>(1, opening.max_bytes),
                                        .with_the_rest = true,
                                        .may_lag = may_lag,
                                        .one_page = true},
                                       deadline);
    if (!part) co_return failed(part.error());
    co_return View{.newest = std::move(part->messages), .more = part->more, .may_lag = may_lag};
}

// What the session is listed under, where it has no header yet: its first message may have been another program's.
async::Task<base::Result<std::string>> DynamoSessions::title_of(const sessions::TurnOpening& opening, const View& view,
                                                                Deadline deadline) {
    if (!view.front() || view.front()->totals.messages) co_return first_words(opening.text);
    auto oldest =
        co_await history_.read(opening.turn.key, {.newest_first = false, .max_messages = 1, .max_bytes = 1}, deadline);
    if (!oldest) co_return failed(oldest.error());
    co_return first_words(oldest->messages.empty() ? opening.text : oldest->messages.front().message.content);
}

async::Task<base::Result<SessionTotals>> DynamoSessions::totals_of(const SessionKey& key, const View& view,
                                                                   Deadline deadline) {
    SessionTotals totals{.messages = 0};
    if (view.front()) totals = view.front()->totals;
    if (totals.messages) co_return totals;
    if (!view.more) {
        totals.messages = std::ssize(view.newest);
        co_return totals;
    }
    auto counted = co_await history_.count(key, deadline);
    if (!counted) co_return failed(counted.error());
    totals.messages = *counted;
    co_return totals;
}

async::Task<DynamoSessions::Outcome<DynamoItem>> DynamoSessions::write_claim(const sessions::TurnOpening& opening,
                                                                             const View& view, const Claim& claim,
                                                                             Deadline deadline) {
    DynamoUpdate update;
    update.set("turn", dynamo_text(opening.turn.turn_id))
        .set("by", dynamo_text(me_))
        .set("until", dynamo_number(claim.until_ms))
        .set("place", dynamo_text(claim.place))
        .set_once("title", dynamo_text(claim.title))
        .count_up("v", claim.first_version);
    if (opening.model) update.set("model", dynamo_text(*opening.model));
    if (opening.system) update.set("system", dynamo_text(*opening.system));
    for (const char* name : {"stop", "rewrites", "first", "ctx", "win", "active", "handed"}) update.remove(name);
    std::string condition;
    if (view.version) {
        condition = update.alias("v") + " = " + update.value(":version", dynamo_number(*view.version));
    } else {
        condition = "attribute_not_exists(pk)";
        const DynamoMessage* newest = view.front();
        if (newest && newest->message.role == chat::Role::assistant && !newest->message.turn_id.empty())
            condition +=
                " OR " + update.alias("turn") + " = " + update.value(":ended", dynamo_text(newest->message.turn_id));
    }
    co_return co_await client_.update(settings_.tables.meta, header_key(opening.turn.key), std::move(update).done(),
                                      std::move(condition), deadline);
}

// `direct`: the turn was not opened, and this is how it begins.
async::Task<base::Result<DynamoSessions::Runs>> DynamoSessions::claim(const sessions::TurnOpening& opening,
                                                                      const sessions::TurnStart* direct,
                                                                      Deadline deadline) {
    const SessionKey& key = opening.turn.key;
    View view;
    std::optional<WarmSession> warm = cache_.take(key);
    if (warm && !direct) {
        view = {.newest = std::move(warm->newest), .more = warm->more, .version = warm->header.version};
    } else {
        // The first look costs half: the claim shows whether it has seen the last turn's end (`hold`).
        auto looked = co_await look(key, opening, deadline, direct == nullptr);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
    }
    std::string lost_place;  // of a question that a lost turn may still write
    std::optional<std::string> title;
    for (int tries = 0; tries < claim_tries; ++tries) {
        if (direct)
            if (auto error = refusal(*direct, view.front())) co_return std::unexpected(std::move(*error));
        if (!title) {
            auto found = co_await title_of(opening, view, deadline);
            if (!found) co_return std::unexpected(std::move(found.error()));
            title = std::move(*found);
        }
        const std::string last = end_of(view);
        Claim claim{.place = lost_place > last ? lost_place : place_after(last, clock_.wall_us()),
                    .title = *title,
                    .asked_at = clock_.steady(),
                    .until_ms = now_ms() + settings_.lease.count(),
                    .first_version = clock_.wall_us()};
        if (direct) claim.place = direct->message.timestamp;
        auto claimed = co_await write_claim(opening, view, claim, deadline);
        if (!claimed && !condition_failed(claimed.error())) co_return failed(claimed.error());
        claim.was_refused = !claimed;
        const DynamoItem item = claimed ? std::move(*claimed) : old_item(claimed.error());
        const DynamoHeader there = read_header_item(item);
        // An attempt whose answer was lost has done it.
        if (!claim.was_refused || (there.turn == opening.turn.turn_id && there.by == me_))
            co_return co_await hold(opening, std::move(view), std::move(claim),
                                    item.empty() ? std::nullopt : std::optional(there), deadline);
        // The header was read after the history: what is missing there may have come since.
        auto looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
        title.reset();
        if (item.empty()) continue;  // it was deleted meanwhile
        view.version = there.version;
        if (there.turn.empty() || is_answered(there, view.newest)) continue;
        if (there.by != me_ && there.until_ms > now_ms()) co_return std::unexpected(taken(there.until_ms - now_ms()));
        auto closed = co_await close_predecessor(key, there, view, direct, deadline);
        if (!closed) co_return std::unexpected(std::move(closed.error()));
        if (!*closed) {
            lost_place = there.question_place;
            continue;
        }
        looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
        view.version = there.version;
    }
    co_return std::unexpected(moved_on());
}

// The session is the turn's. `there`: the header as it was before or, where the claim was refused because an earlier
// attempt of it had been taken, as that left it; nothing: there was none.
async::Task<base::Result<DynamoSessions::Runs>> DynamoSessions::hold(const sessions::TurnOpening& opening, View view,
                                                                     Claim claim, std::optional<DynamoHeader> there,
                                                                     Deadline deadline) {
    const SessionKey& key = opening.turn.key;
    // Nothing was written after the turn of the header ended, and the view has its answer: so it is all there if it has
    // no gaps. Without a header there is nothing of ours.
    const bool is_all = view.newest.empty() ? !there : there && is_unbroken(view.newest, view.more);
    if (view.may_lag && !is_all) {
        auto looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
    }
    if (const DynamoMessage* newest = view.front(); newest && is_unanswered(*newest)) {
        // Its turn gave its claim up without knowing whether its message was written.
        const std::string model = there ? there->model : std::string();
        auto closed = co_await close_lost(key, {.model = model, .turn = newest->message.turn_id}, view, end_of(view),
                                          base::format_timestamp(clock_.wall_us()), deadline);
        if (!closed) co_return std::unexpected(std::move(closed.error()));
        auto looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
    }
    auto totals = co_await totals_of(key, view, deadline);
    if (!totals) co_return std::unexpected(std::move(totals.error()));
    auto runs = std::make_shared<Running>();
    runs->key = key;
    runs->turn_id = opening.turn.turn_id;
    runs->stop = opening.stop;
    runs->watched = opening.watched;
    runs->before = there;
    if (claim.was_refused) runs->before->turn = view.front() ? view.front()->message.turn_id : std::string();
    runs->header = there ? std::move(*there) : DynamoHeader{.first_words = claim.title, .version = claim.first_version};
    runs->header.turn = runs->turn_id;
    runs->header.by = me_;
    runs->header.rewrites.clear();
    if (!claim.was_refused) {
        runs->header.question_place = claim.place;
        runs->header.version += 1;
    }
    if (opening.model) runs->header.model = *opening.model;
    if (opening.system) runs->header.system = *opening.system;
    runs->newest = std::move(view.newest);
    runs->more = view.more;
    runs->totals = std::move(*totals);
    set_held(*runs, claim.asked_at, claim.was_refused ? runs->header.until_ms : claim.until_ms);
    running_[name_of(key)] = runs;
    renewer_->wake();
    tell_watched(*runs, runs->header);
    co_return runs;
}

// Closes the turn that has the session by its header, and whose process is gone. False: it had not begun.
async::Task<base::Result<bool>> DynamoSessions::close_predecessor(const SessionKey& key, const DynamoHeader& header,
                                                                  const View& view, const sessions::TurnStart* direct,
                                                                  Deadline deadline) {
    const DynamoMessage* newest = view.front();
    std::string place;
    if (!header.rewrites.empty())
        place = header.rewrites;
    else if (newest)
        place = sessions::answer_place(newest->message.timestamp);
    if (direct) {
        if (auto error = refusal(*direct, newest)) co_return std::unexpected(std::move(*error));
        if (direct->rewrites.empty() && header.rewrites.empty() && newest) {
            auto between = place_between(newest->message.timestamp, direct->message.timestamp);
            if (!between) co_return std::unexpected(not_later_than_last());
            place = std::move(*between);
        }
    }
    std::string created_at = direct ? direct->message.created_at : base::format_timestamp(clock_.wall_us());
    co_return co_await close_lost(key, header, view, std::move(place), std::move(created_at), deadline);
}

// Writes the answer that a lost turn never wrote, at `place`. False: it had not begun.
async::Task<base::Result<bool>> DynamoSessions::close_lost(const SessionKey& key, const DynamoHeader& header,
                                                           const View& view, std::string place, std::string created_at,
                                                           Deadline deadline) {
    const DynamoMessage* newest = view.front();
    const bool rewrites = !header.rewrites.empty();
    const bool has_question =
        newest && newest->message.role == chat::Role::user && newest->message.turn_id == header.turn;
    const bool has_answer = rewrites && newest && newest->message.timestamp == header.rewrites;
    if (!has_question && !has_answer) co_return false;
    auto remains = co_await remains_of(key, header.turn, deadline);
    if (!remains) co_return std::unexpected(std::move(remains.error()));
    LostTurn lost{.turn_id = header.turn,
                  .model = header.model,
                  .first_number = rewrites ? header.first_number : newest->first_number,
                  .remains = std::move(*remains)};
    if (rewrites) lost.before = newest->message;
    DynamoMessage answer{.message = interrupted_answer(lost, std::move(place), created_at), .totals = newest->totals};
    if (rewrites) {
        answer.billed = newest->billed;
        answer.totals.context_from = header.context_from;
        answer.totals.context_window = header.context_window;
    } else if (answer.totals.messages) {
        ++*answer.totals.messages;
    }
    const std::vector<billing::Bill> bills = bill_interrupted(answer.message, lost.remains, settings_.priced);
    if (!bills.empty()) {
        answer.totals.spent_nano += cost_of(bills);
        answer.billed.push_back({.turn_id = header.turn, .ended_at = created_at, .bills = bills});
    }
    const auto written = rewrites ? co_await rewrite(key, *newest, std::move(answer), deadline)
                                  : co_await history_.write({.key = key}, std::move(answer), deadline);
    // Somebody else has closed it, or it has ended after all.
    if (!written && !condition_failed(written.error())) co_return failed(written.error());
    if (written)
        log_.info("a turn whose process is gone was closed as interrupted",
                  {{"session", key.session_id}, {"turn", header.turn}});
    co_return true;
}

async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> DynamoSessions::open_turn(
    sessions::TurnOpening opening) {
    auto claimed = co_await claim(opening, nullptr, deadline());
    if (!claimed) co_return std::unexpected(std::move(claimed.error()));
    const Running& runs = **claimed;
    sessions::SessionSnapshot snapshot{.more = runs.more, .question_place = runs.header.question_place};
    DynamoHeader header = runs.header;
    const DynamoMessage* newest = runs.newest.empty() ? nullptr : &runs.newest.front();
    snapshot.header = session_header(opening.turn.key.session_id, header, newest);
    snapshot.header.message_count = runs.totals.messages.value_or(0);
    ReadLimit limit(opening.max_messages, opening.max_bytes);
    for (const DynamoMessage& each : runs.newest) {
        if (!limit.has_room()) {
            snapshot.more = true;
            break;
        }
        limit.add(size_of(each.message));
        snapshot.newest.push_back(each.message);
        snapshot.newest.back().events.clear();
        snapshot.newest.back().outcome.reset();
    }
    co_return snapshot;
}

async::Task<base::Result<void>> DynamoSessions::abandon_turn(sessions::TurnName turn) {
    const Runs runs = find(turn.key, turn.turn_id);
    if (!runs) co_return Result<void>();
    forget(runs);
    co_return co_await give_back(runs, deadline());
}

async::Task<base::Result<void>> DynamoSessions::give_back(Runs runs, Deadline deadline) {
    DynamoUpdate update;
    std::string condition = held_by_me(update, runs->turn_id);
    Outcome<DynamoItem> done;
    // Where its message may still come, the next turn has to stand in that very place: it finds a lost turn.
    const bool was_never_there = !runs->has_begun && !runs->may_have_begun;
    if (was_never_there && !runs->before) {
        DynamoExpression expression = std::move(update).done();
        expression.text = std::move(condition);
        done = co_await client_.remove(settings_.tables.meta, header_key(runs->key), std::move(expression), deadline);
    } else {
        update.set("until", dynamo_number(0)).count_up("v", clock_.wall_us());
        if (was_never_there) {
            update.remove("rewrites");
            const auto restore = [&](std::string_view name, const std::string& text) {
                text.empty() ? update.remove(name) : update.set(name, dynamo_text(text));
            };
            restore("turn", runs->before->turn);
            restore("model", runs->before->model);
            restore("system", runs->before->system);
        }
        done = co_await client_.update(settings_.tables.meta, header_key(runs->key), std::move(update).done(),
                                       std::move(condition), deadline);
    }
    if (!done && !condition_failed(done.error())) co_return failed(done.error());
    co_return Result<void>();
}

}  // namespace tertulia::storage
