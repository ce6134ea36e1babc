// What processes ask of each other: which turn runs, to end it, to go on with it.
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::SessionKey;
using sessions::TurnState;

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
    std::string condition = held_by_me(update, turn.turn_id);
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
