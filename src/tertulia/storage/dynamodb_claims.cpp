// Who may write to a session: claims, and what becomes of those whose process is gone.
#include <algorithm>

#include "tertulia/base/date_text.h"
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using base::Errc;
using sessions::SessionKey;
using sessions::TurnState;

namespace {

constexpr int claim_tries = 8;
// How soon whoever is refused may look again.
constexpr base::Milliseconds soonest_retry{100}, latest_retry{500};
// How often the claims are looked through.
constexpr base::Milliseconds renewal_tick{250};
constexpr base::Milliseconds least_renewal_time{1000};

std::string name_of(const SessionKey& key) {
    return key.owner + "|" + key.session_id;
}

DynamoItem header_key(const SessionKey& key) {
    return {{"pk", dynamo_text(header_pk(key.owner))}, {"sk", dynamo_text(header_sk(key.session_id))}};
}

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

DynamoSessions::DynamoSessions(DynamoClient& client, async::TaskGroup& tasks, async::Executor executor,
                               const base::Clock& clock, base::Random& random, const telemetry::Log& log,
                               DynamoSettings settings)
    : client_(client),
      tasks_(tasks),
      clock_(clock),
      random_(random),
      log_(log),
      settings_(std::move(settings)),
      me_(base::make_id('p', random)),
      history_(client, random, settings_.tables),
      cache_(settings_.cache_bytes),
      renewer_(async::Waiter::make(executor)) {}

base::Error DynamoSessions::told(const aws::ServiceError& error) const {
    const base::Error told = aws::to_error(error, "DynamoDB");
    log_.warn("the store fails", {{"error", told.message}});
    if (error.errc == Errc::too_large)
        return {.code = Errc::too_large, .message = "The message is too large to be stored"};
    if (error.is("ResourceNotFoundException"))
        return {.code = Errc::unavailable,
                .message = "A table of the conversation store is missing; \"tertulia create-tables\" makes it"};
    return {.code = Errc::unavailable, .message = "The conversation store cannot be reached now; try again later"};
}

DynamoSessions::Runs DynamoSessions::find(const SessionKey& key, const std::string& turn_id) const {
    const auto found = running_.find(name_of(key));
    return found == running_.end() || found->second->turn_id != turn_id ? nullptr : found->second;
}

void DynamoSessions::forget(const Runs& runs) {
    const auto found = running_.find(name_of(runs->key));
    if (found != running_.end() && found->second == runs) running_.erase(found);
}

// Counted from before it was asked for: others count from when it was written.
void DynamoSessions::set_held(Running& runs, base::SteadyTime asked_at, std::int64_t until_ms) const {
    runs.held_until_ms = until_ms;
    runs.held_until = asked_at + settings_.lease;
    runs.renew_at = asked_at + settings_.renew_after;
}

// Where the last message stands, or the answer that it still lacks.
std::string DynamoSessions::end_of(const View& view) {
    const DynamoMessage* newest = view.front();
    if (!newest) return {};
    return is_unanswered(*newest) ? sessions::answer_place(newest->message.timestamp) : newest->message.timestamp;
}

// -- claiming --------------------------------------------------------------------------------------------------------

async::Task<base::Result<DynamoSessions::View>> DynamoSessions::look(const SessionKey& key,
                                                                     const sessions::TurnOpening& opening,
                                                                     Deadline deadline) {
    auto part = co_await history_.read(key,
                                       {.max_messages = std::max<std::int64_t>(2, opening.max_messages),
                                        .max_bytes = std::max<std::int64_t>(1, opening.max_bytes),
                                        .with_the_rest = true,
                                        .one_page = true},
                                       deadline);
    if (!part) co_return failed(part.error());
    co_return View{.newest = std::move(part->messages), .more = part->more};
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

async::Task<DynamoSessions::Outcome<DynamoItem>> DynamoSessions::write_claim(
    const sessions::TurnOpening& opening, const View& view, std::optional<std::int64_t> at_version,
    const std::string& place, const std::string& title, std::int64_t until_ms, std::int64_t first_version,
    Deadline deadline) {
    DynamoUpdate update;
    update.set("turn", dynamo_text(opening.turn.turn_id))
        .set("by", dynamo_text(me_))
        .set("until", dynamo_number(until_ms))
        .set("place", dynamo_text(place))
        .set_once("title", dynamo_text(title))
        .count_up("v", first_version);
    if (opening.model) update.set("model", dynamo_text(*opening.model));
    if (opening.system) update.set("system", dynamo_text(*opening.system));
    for (const char* name : {"stop", "rewrites", "first", "ctx", "win", "active", "handed"}) update.remove(name);
    std::string condition;
    if (at_version) {
        condition = update.alias("v") + " = " + update.value(":version", dynamo_number(*at_version));
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
    std::optional<WarmSession> warm = cache_.take(key);
    if (direct) warm.reset();
    View view;
    std::optional<std::int64_t> at_version;
    if (warm) {
        view = {.newest = std::move(warm->newest), .more = warm->more};
        at_version = warm->header.version;
    } else {
        auto looked = co_await look(key, opening, deadline);
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
        std::string place = lost_place > last ? lost_place : place_after(last, clock_.wall_us());
        if (direct) place = direct->message.timestamp;
        const base::SteadyTime asked_at = clock_.steady();
        const std::int64_t until_ms = now_ms() + settings_.lease.count();
        // Where a session was deleted and made again the numbers go on.
        const std::int64_t first_version = clock_.wall_us();
        auto claimed =
            co_await write_claim(opening, view, at_version, place, *title, until_ms, first_version, deadline);
        if (!claimed && !condition_failed(claimed.error())) co_return failed(claimed.error());
        DynamoItem item = claimed ? std::move(*claimed) : old_item(claimed.error());
        const bool is_new = item.empty();
        DynamoHeader there = read_header_item(item);
        // An attempt whose answer was lost has done it.
        const bool did_before = !claimed && there.turn == opening.turn.turn_id && there.by == me_;
        if (claimed || did_before) {
            if (const DynamoMessage* newest = view.front(); newest && is_unanswered(*newest)) {
                // Its turn gave its claim up without knowing whether its message was written.
                auto closed = co_await close_lost(key, {.model = there.model, .turn = newest->message.turn_id}, view,
                                                  last, base::format_timestamp(clock_.wall_us()), deadline);
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
            if (claimed && !is_new) runs->before = there;
            if (did_before) {
                runs->before = there;
                runs->before->turn = view.front() ? view.front()->message.turn_id : std::string();
            }
            runs->header = there;
            runs->header.turn = runs->turn_id;
            runs->header.by = me_;
            runs->header.question_place = did_before ? there.question_place : place;
            runs->header.rewrites.clear();
            if (is_new) runs->header.first_words = *title;
            if (opening.model) runs->header.model = *opening.model;
            if (opening.system) runs->header.system = *opening.system;
            if (!did_before) runs->header.version = (is_new ? first_version : there.version) + 1;
            runs->newest = std::move(view.newest);
            runs->more = view.more;
            runs->totals = std::move(*totals);
            set_held(*runs, asked_at, did_before ? there.until_ms : until_ms);
            running_[name_of(key)] = runs;
            renewer_->wake();
            tell_watched(*runs, there);
            co_return runs;
        }
        // The header was read after the history: what is missing there may have come since.
        auto looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
        title.reset();
        at_version = there.version;
        if (is_new) {  // it was deleted meanwhile
            at_version.reset();
            continue;
        }
        if (there.turn.empty() || is_answered(there, view.newest)) continue;
        if (there.by != me_ && there.until_ms > now_ms()) co_return std::unexpected(taken(there.until_ms - now_ms()));
        if (direct)
            if (auto error = refusal(*direct, view.front())) co_return std::unexpected(std::move(*error));
        const DynamoMessage* newest = view.front();
        std::string answer_place = !there.rewrites.empty() ? there.rewrites
                                   : newest                ? sessions::answer_place(newest->message.timestamp)
                                                           : std::string();
        if (direct && direct->rewrites.empty() && there.rewrites.empty() && newest) {
            auto between = place_between(newest->message.timestamp, direct->message.timestamp);
            if (!between) co_return std::unexpected(not_later_than_last());
            answer_place = std::move(*between);
        }
        auto closed = co_await close_lost(
            key, there, view, std::move(answer_place),
            direct ? direct->message.created_at : base::format_timestamp(clock_.wall_us()), deadline);
        if (!closed) co_return std::unexpected(std::move(closed.error()));
        if (!*closed) {
            lost_place = there.question_place;
            continue;
        }
        looked = co_await look(key, opening, deadline);
        if (!looked) co_return std::unexpected(std::move(looked.error()));
        view = std::move(*looked);
    }
    co_return std::unexpected(moved_on());
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

// -- giving up -------------------------------------------------------------------------------------------------------

async::Task<base::Result<void>> DynamoSessions::abandon_turn(sessions::TurnName turn) {
    const Runs runs = find(turn.key, turn.turn_id);
    if (!runs) co_return Result<void>();
    forget(runs);
    co_return co_await give_back(runs, deadline());
}

async::Task<base::Result<void>> DynamoSessions::give_back(Runs runs, Deadline deadline) {
    DynamoUpdate update;
    std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(runs->turn_id)) + " AND " +
                            update.alias("by") + " = " + update.value(":by", dynamo_text(me_));
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

// -- holding on ------------------------------------------------------------------------------------------------------

async::Task<bool> DynamoSessions::is_held(Runs runs, Deadline deadline) {
    if (runs->is_lost) co_return false;
    if (clock_.steady() < runs->held_until && now_ms() < runs->held_until_ms) co_return true;
    // It has run out. If nobody has taken the session over, it can be had again.
    const auto renewed = co_await renew(runs, deadline);
    co_return renewed && !runs->is_lost;
}

async::Task<base::Result<void>> DynamoSessions::renew(Runs runs, Deadline deadline) {
    const base::SteadyTime asked_at = clock_.steady();
    const std::int64_t until_ms = now_ms() + settings_.lease.count();
    DynamoUpdate update;
    update.set("until", dynamo_number(until_ms));
    std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(runs->turn_id)) + " AND " +
                            update.alias("by") + " = " + update.value(":by_me", dynamo_text(me_));
    auto done = co_await client_.update(settings_.tables.meta, header_key(runs->key), std::move(update).done(),
                                        std::move(condition), deadline, true);
    if (!done && condition_failed(done.error())) {
        runs->is_lost = true;
        if (runs->stop && find(runs->key, runs->turn_id) == runs) runs->stop(TurnState::interrupted);
        co_return Result<void>();
    }
    if (!done) co_return failed(done.error());
    set_held(*runs, asked_at, until_ms);
    const auto as = sessions::parse_turn_state(text_of(*done, "stop"));
    const bool is_running = find(runs->key, runs->turn_id) == runs;
    if (as && !std::exchange(runs->is_asked_to_stop, true) && runs->stop && is_running) runs->stop(*as);
    if (is_running) tell_watched(*runs, read_header_item(*done));
    co_return Result<void>();
}

async::Task<void> DynamoSessions::renew_in_turn(Runs runs) {
    co_await renew(runs, Deadline::after(std::max(least_renewal_time, settings_.lease - settings_.renew_after)));
    runs->is_renewing = false;
    renewer_->wake();
}

async::Task<void> DynamoSessions::renew_claims() {
    while (!stopped_) {
        const base::SteadyTime now = clock_.steady();
        for (const auto& [name, runs] : running_) {
            if (runs->is_lost || runs->is_renewing || now < runs->renew_at) continue;
            runs->is_renewing = true;
            tasks_.spawn(renew_in_turn(runs));
        }
        co_await renewer_->wait(running_.empty() ? Deadline::never() : Deadline::after(renewal_tick));
    }
}

void DynamoSessions::stop() {
    stopped_ = true;
    renewer_->wake();
}

// -- across processes ------------------------------------------------------------------------------------------------

bool DynamoSessions::runs_now(const SessionKey& key, const DynamoHeader& header) const {
    if (header.turn.empty()) return false;
    if (header.by == me_) return find(key, header.turn) != nullptr;
    return header.until_ms > now_ms();
}

async::Task<base::Result<std::string>> DynamoSessions::running_turn(SessionKey key) {
    if (const auto found = running_.find(name_of(key)); found != running_.end() && !found->second->is_lost)
        co_return found->second->turn_id;
    const Deadline until = deadline();
    const auto header = co_await read_header(key, until);
    if (!header) co_return failed(header.error());
    if (!*header || !runs_now(key, **header)) co_return std::string();
    const auto newest = co_await history_.read(key, {.max_messages = 1, .max_bytes = 1, .one_page = true}, until);
    if (!newest) co_return failed(newest.error());
    if (!newest->messages.empty() && has_ended(**header, &newest->messages.front())) co_return std::string();
    co_return (*header)->turn;
}

async::Task<base::Result<bool>> DynamoSessions::ask_to_stop(sessions::TurnName turn, TurnState as) {
    if (const Runs runs = find(turn.key, turn.turn_id); runs && runs->stop) {
        runs->stop(as);
        co_return true;
    }
    const auto running = co_await running_turn(turn.key);
    if (!running) co_return std::unexpected(running.error());
    if (*running != turn.turn_id) co_return false;
    DynamoUpdate update;
    update.set("stop", dynamo_text(sessions::to_string(as)));
    std::string condition = update.alias("turn") + " = " + update.value(":asked", dynamo_text(turn.turn_id));
    const auto done = co_await client_.update(settings_.tables.meta, header_key(turn.key), std::move(update).done(),
                                              std::move(condition), deadline());
    if (!done && condition_failed(done.error())) co_return false;
    if (!done) co_return failed(done.error());
    co_return true;
}

async::Task<base::Result<void>> DynamoSessions::hand_over(sessions::TurnName turn) {
    const Runs runs = find(turn.key, turn.turn_id);
    if (!runs || !runs->has_begun || runs->is_lost) co_return std::unexpected(turn_not_running());
    forget(runs);
    DynamoUpdate update;
    update.set("handed", dynamo_number(1))
        .set("until", dynamo_number(now_ms() + settings_.handed_over_limit.count()))
        .remove("by");
    std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(turn.turn_id)) + " AND " +
                            update.alias("by") + " = " + update.value(":by_me", dynamo_text(me_));
    const auto done = co_await client_.update(settings_.tables.meta, header_key(turn.key), std::move(update).done(),
                                              std::move(condition), deadline());
    if (!done && condition_failed(done.error())) {
        const DynamoHeader there = read_header_item(old_item(done.error()));
        // An attempt whose answer was lost has done it.
        if (there.turn == turn.turn_id && there.is_handed_over) co_return Result<void>();
        co_return std::unexpected(turn_not_running());
    }
    if (!done) co_return failed(done.error());
    co_return Result<void>();
}

async::Task<base::Result<sessions::HandedTurn>> DynamoSessions::take_over(sessions::TurnOpening opening) {
    const SessionKey& key = opening.turn.key;
    const Deadline until = deadline();
    const base::SteadyTime asked_at = clock_.steady();
    const std::int64_t until_ms = now_ms() + settings_.lease.count();
    DynamoUpdate update;
    update.set("by", dynamo_text(me_))
        .set("until", dynamo_number(until_ms))
        .count_up("v", clock_.wall_us())
        .remove("handed");
    std::string condition = update.alias("turn") + " = " + update.value(":asked", dynamo_text(opening.turn.turn_id)) +
                            " AND " + update.alias("handed") + " = " + update.value(":one", dynamo_number(1));
    auto done = co_await client_.update(settings_.tables.meta, header_key(key), std::move(update).done(),
                                        std::move(condition), until);
    DynamoHeader header;
    if (done) {
        header = read_header_item(*done);
        header.version += 1;
    } else if (condition_failed(done.error())) {
        header = read_header_item(old_item(done.error()));
        if (header.turn != opening.turn.turn_id || header.by != me_ || find(key, header.turn))
            co_return std::unexpected(turn_not_running());
    } else {
        co_return failed(done.error());
    }
    auto view = co_await look(key, opening, until);
    if (!view) co_return std::unexpected(std::move(view.error()));
    const DynamoMessage* newest = view->front();
    const bool is_there =
        newest && (header.rewrites.empty()
                       ? newest->message.role == chat::Role::user && newest->message.turn_id == header.turn
                       : newest->message.timestamp == header.rewrites && newest->message.turn_id != header.turn);
    if (!is_there) co_return std::unexpected(turn_not_running());
    auto pieces = co_await pieces_of(key, header.turn, DynamoPieces(0, DynamoPieces::Gaps::pass), until);
    if (!pieces) co_return failed(pieces.error());

    auto runs = std::make_shared<Running>();
    runs->key = key;
    runs->turn_id = header.turn;
    runs->stop = opening.stop;
    runs->watched = opening.watched;
    runs->before = header;
    runs->header = header;
    runs->header.by = me_;
    runs->totals = newest->totals;
    runs->has_begun = true;
    runs->context_from = header.rewrites.empty() ? newest->totals.context_from : header.context_from;
    runs->context_window = header.rewrites.empty() ? newest->totals.context_window : header.context_window;
    if (!header.rewrites.empty()) runs->rewritten = *newest;
    runs->pieces = pieces->last() + 1000;  // behind all that may still come of it
    sessions::HandedTurn handed{.pieces = pieces->take(),
                                .first_number = header.rewrites.empty() ? newest->first_number : header.first_number,
                                .rewrites = header.rewrites};
    handed.session.header = session_header(key.session_id, runs->header, newest);
    handed.session.more = view->more;
    for (const DynamoMessage& each : view->newest) {
        handed.session.newest.push_back(each.message);
        handed.session.newest.back().events.clear();
        handed.session.newest.back().outcome.reset();
    }
    runs->newest = std::move(view->newest);
    runs->more = view->more;
    set_held(*runs, asked_at, until_ms);
    running_[name_of(key)] = runs;
    renewer_->wake();
    tell_watched(*runs, header);
    co_return handed;
}

}  // namespace tertulia::storage
