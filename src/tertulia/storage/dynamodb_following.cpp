// Turns that are followed from other processes than their own.
#include <algorithm>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::SessionKey;

namespace {

// More sessions than that are not followed at once: marks that ran out are forgotten then.
constexpr std::size_t many_watched = 1000;

DynamoItem header_key(const SessionKey& key) {
    return {{"pk", dynamo_text(header_pk(key.owner))}, {"sk", dynamo_text(header_sk(key.session_id))}};
}

}  // namespace

// -- who follows -----------------------------------------------------------------------------------------------------

// One mark a process, in one of two places; where both are others', the turn's process sees one of them anyway.
async::Task<base::Result<void>> DynamoSessions::watch(SessionKey key) {
    const base::SteadyTime now = clock_.steady();
    if (watched_.size() >= many_watched)
        std::erase_if(watched_, [now](const auto& session) { return session.second <= now; });
    base::SteadyTime& next = watched_[key.owner + "|" + key.session_id];
    if (now < next) co_return Result<void>();
    next = now + settings_.watch_again;
    const Deadline until = deadline();
    for (std::size_t which = 0; which < DynamoHeader().watchers.size(); ++which) {
        const auto marked = co_await mark_watched(key, which, until);
        if (marked) break;
        if (!condition_failed(marked.error())) co_return failed(marked.error());
        if (old_item(marked.error()).empty()) break;  // there is no such session yet
    }
    co_return Result<void>();
}

async::Task<DynamoSessions::Outcome<DynamoItem>> DynamoSessions::mark_watched(const SessionKey& key, std::size_t which,
                                                                              Deadline deadline) {
    DynamoUpdate update;
    const std::string by = watcher_name(which), until = watched_until_name(which);
    update.set(by, dynamo_text(me_)).set(until, dynamo_number(now_ms() + settings_.watched_for.count()));
    std::string condition = "attribute_exists(pk) AND (attribute_not_exists(" + update.alias(by) + ") OR " +
                            update.alias(by) + " = " + update.value(":me", dynamo_text(me_)) + " OR " +
                            update.alias(until) + " < " + update.value(":now", dynamo_number(now_ms())) + ")";
    return client_.update(settings_.tables.meta, header_key(key), std::move(update).done(), std::move(condition),
                          deadline);
}

void DynamoSessions::tell_watched(const Running& runs, const DynamoHeader& header) const {
    const base::Milliseconds time = storage::watched_for(header, me_, now_ms());
    if (time > base::Milliseconds(0) && runs.watched) runs.watched(time);
}

// -- what is heard ---------------------------------------------------------------------------------------------------

async::Task<base::Result<sessions::TurnNews>> DynamoSessions::news(sessions::TurnName turn, sessions::NewsPlace from) {
    const Deadline until = deadline();
    auto pieces = co_await pieces_of(turn.key, turn.turn_id, DynamoPieces(from.piece, DynamoPieces::Gaps::stop), until);
    if (!pieces) co_return failed(pieces.error());
    sessions::TurnNews news{.pieces = pieces->take(), .is_whole = pieces->is_whole(), .next = from};
    news.next.piece = pieces->last();
    if (!news.pieces.empty()) co_return news;
    // It is silent, or over, or its process is gone.
    const auto newest = co_await history_.read(turn.key, {.max_messages = 1, .max_bytes = 1, .one_page = true}, until);
    if (!newest) co_return failed(newest.error());
    const bool is_unanswered = !newest->messages.empty() && newest->messages.front().message.role == chat::Role::user &&
                               newest->messages.front().message.turn_id == turn.turn_id;
    news.may_be_over = !is_unanswered;
    if (news.may_be_over || now_ms() < from.until_ms) co_return news;
    const auto header = co_await read_header(turn.key, until);
    if (!header) co_return failed(header.error());
    news.may_be_over = !*header || (*header)->turn != turn.turn_id || !runs_now(turn.key, **header);
    if (!news.may_be_over) news.next.until_ms = (*header)->until_ms;
    co_return news;
}

}  // namespace tertulia::storage
