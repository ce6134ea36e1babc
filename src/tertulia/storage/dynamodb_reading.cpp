// What is read of sessions in DynamoDB, beside turns.
#include <algorithm>
#include <set>

#include "tertulia/base/date_text.h"
#include "tertulia/storage/dynamodb_sessions.h"
#include "tertulia/storage/memory_ledger.h"

namespace tertulia::storage {

namespace json = boost::json;
using sessions::SessionKey;
using sessions::StoredMessage;

namespace {

// How much of a history is read at a time where a turn is looked for in it.
constexpr std::int64_t search_messages = 24, search_bytes = 1 << 20;
// No turn takes longer: what ended after a moment began after this much before it.
constexpr std::int64_t longest_turn_us = 86'400'000'000;

DynamoItem header_key(const SessionKey& key) {
    return {{"pk", dynamo_text(header_pk(key.owner))}, {"sk", dynamo_text(header_sk(key.session_id))}};
}

std::string turns_pk(const SessionKey& key) {
    return "T#" + key.owner + "|" + key.session_id;
}

StoredMessage without_the_rest(StoredMessage message) {
    message.events.clear();
    message.outcome.reset();
    return message;
}

std::vector<StoredMessage> plain(std::vector<DynamoMessage>&& messages) {
    std::vector<StoredMessage> result;
    for (DynamoMessage& each : messages) result.push_back(std::move(each.message));
    return result;
}

DynamoQuery query_of(const std::string& table, std::string_view pk, std::string_view sk_prefix = {}) {
    DynamoQuery query{.table = table};
    query.key = {.text = "pk = :p", .values = {{":p", dynamo_text(pk)}}};
    if (!sk_prefix.empty()) {
        query.key.text += " AND begins_with(sk, :k)";
        query.key.values[":k"] = dynamo_text(sk_prefix);
    }
    return query;
}

}  // namespace

async::Task<DynamoSessions::Outcome<std::optional<DynamoHeader>>> DynamoSessions::read_header(const SessionKey& key,
                                                                                              Deadline deadline) {
    auto item = co_await client_.get(settings_.tables.meta, header_key(key), deadline);
    if (!item) co_return std::unexpected(std::move(item.error()));
    if (!*item) co_return std::nullopt;
    co_return read_header_item(**item);
}

async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> DynamoSessions::open(SessionKey key,
                                                                                         std::int64_t max_messages,
                                                                                         std::int64_t max_bytes) {
    const Deadline until = deadline();
    auto part = co_await history_.read(
        key, {.max_messages = std::max<std::int64_t>(1, max_messages), .max_bytes = max_bytes, .one_page = true},
        until);
    if (!part) co_return failed(part.error());
    if (part->messages.empty()) co_return std::nullopt;
    auto header = co_await read_header(key, until);
    if (!header) co_return failed(header.error());
    DynamoMessage& newest = part->messages.front();
    DynamoHeader known = header->value_or(DynamoHeader());
    if (!newest.totals.messages) {
        const View view{.newest = {newest}, .more = part->more || part->messages.size() > 1};
        auto totals = co_await totals_of(key, view, until);
        if (!totals) co_return std::unexpected(std::move(totals.error()));
        newest.totals.messages = totals->messages;
        if (known.first_words.empty()) {
            auto title = co_await title_of({.turn = {.key = key}}, view, until);
            if (!title) co_return std::unexpected(std::move(title.error()));
            known.first_words = std::move(*title);
            newest.totals.messages = totals->messages;
        }
    }
    sessions::SessionSnapshot snapshot{.header = session_header(key.session_id, known, &newest), .more = part->more};
    snapshot.newest = plain(std::move(part->messages));
    co_return snapshot;
}

async::Task<base::Result<std::vector<StoredMessage>>> DynamoSessions::older(SessionKey key, std::string before,
                                                                            std::int64_t max_messages,
                                                                            std::int64_t max_bytes) {
    auto part = co_await history_.read(
        key, {.before = std::move(before), .max_messages = max_messages, .max_bytes = max_bytes}, deadline());
    if (!part) co_return failed(part.error());
    co_return plain(std::move(part->messages));
}

async::Task<base::Result<std::optional<sessions::MessagePage>>> DynamoSessions::messages(SessionKey key,
                                                                                         sessions::MessageQuery query) {
    const Deadline until = deadline();
    const bool backwards = query.after.empty() && !query.before.empty();
    auto part = co_await history_.read(key,
                                       {.after = query.after,
                                        .before = query.before,
                                        .newest_first = backwards,
                                        .max_messages = query.limit,
                                        .max_bytes = query.max_bytes},
                                       until);
    if (!part) co_return failed(part.error());
    if (part->messages.empty()) {
        const auto any = co_await history_.read(key, {.max_messages = 1, .max_bytes = 1, .one_page = true}, until);
        if (!any) co_return failed(any.error());
        if (any->messages.empty()) co_return std::nullopt;
    }
    sessions::MessagePage page{.messages = plain(std::move(part->messages)), .more = !backwards && part->more};
    if (backwards) std::ranges::reverse(page.messages);
    co_return page;
}

// -- one turn --------------------------------------------------------------------------------------------------------

async::Task<DynamoSessions::Outcome<std::optional<DynamoSessions::Replaced>>> DynamoSessions::read_replaced(
    const SessionKey& key, const std::string& turn_id, Deadline deadline) {
    DynamoQuery query = query_of(settings_.tables.meta, turns_pk(key), turn_id + "!old");
    std::vector<DynamoItem> items;
    do {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        std::ranges::move(page->items, std::back_inserter(items));
        query.from = std::move(page->next);
    } while (query.from);
    if (items.empty()) co_return std::nullopt;
    // The own item's key is the shortest, and so comes first.
    std::vector<const DynamoItem*> in_order;
    for (const DynamoItem& item : items) in_order.push_back(&item);
    Replaced replaced{.answer = decode_message(in_order, true, "place"),
                      .content_size = static_cast<std::size_t>(number_of(items.front(), "size").value_or(0)),
                      .next_turn = std::string(text_of(items.front(), "next"))};
    co_return replaced;
}

async::Task<base::Result<std::optional<sessions::StoredTurn>>> DynamoSessions::turn(sessions::TurnName name) {
    if (name.turn_id.empty()) co_return std::nullopt;
    const Deadline until = deadline();
    co_return co_await find_turn(std::move(name), true, until);
}

async::Task<base::Result<std::optional<sessions::StoredTurn>>> DynamoSessions::find_turn(sessions::TurnName name,
                                                                                         bool may_close,
                                                                                         Deadline deadline) {
    const auto is_its = [&](const DynamoMessage& message, chat::Role role) {
        return message.message.turn_id == name.turn_id && message.message.role == role;
    };
    HistoryRange range{.max_messages = 4, .max_bytes = search_bytes, .with_the_rest = true, .one_page = true};
    std::optional<StoredMessage> answer;  // of the turn, where its question has not come yet
    std::optional<Replaced> replaced;
    bool asked_for_replaced = false;
    for (bool is_first = true;; is_first = false) {
        auto part = co_await history_.read(name.key, range, deadline);
        if (!part) co_return failed(part.error());
        for (std::size_t i = 0; i < part->messages.size(); ++i) {
            DynamoMessage& each = part->messages[i];
            if (!answer && is_its(each, chat::Role::assistant)) {
                answer = std::move(each.message);
                continue;
            }
            // What is older than the old version's own place is its question.
            if (!answer && replaced && each.message.timestamp == replaced->answer.message.timestamp) {
                answer = std::move(replaced->answer.message);
                answer->content = each.message.content.substr(0, replaced->content_size);
                continue;
            }
            if (answer && each.message.role == chat::Role::user)
                co_return sessions::StoredTurn{.question = without_the_rest(std::move(each.message)),
                                               .answer = std::move(answer)};
            if (answer || !is_its(each, chat::Role::user)) continue;
            // Its question, and behind that another turn's answer or nothing.
            if (!is_first || i > 0) {
                auto old = co_await read_replaced(name.key, name.turn_id, deadline);
                if (!old) co_return failed(old.error());
                if (*old) {
                    const auto current = co_await history_.read(
                        name.key,
                        {.after = each.message.timestamp, .newest_first = false, .max_messages = 1, .max_bytes = 1},
                        deadline);
                    if (!current) co_return failed(current.error());
                    sessions::StoredTurn turn{.question = without_the_rest(std::move(each.message)),
                                              .answer = std::move((*old)->answer.message)};
                    if (!current->messages.empty())
                        turn.answer->content =
                            current->messages.front().message.content.substr(0, (*old)->content_size);
                    co_return turn;
                }
            }
            View view;
            for (std::size_t k = i; k < part->messages.size(); ++k) view.newest.push_back(part->messages[k]);
            if (!is_first || i > 0) {  // it is not the newest: nobody answers it any more
                co_return sessions::StoredTurn{.question = without_the_rest(std::move(each.message))};
            }
            co_return co_await unanswered(name, view, may_close, deadline);
        }
        if (is_first && !answer) {
            // A turn that rewrites the newest answer has no question of its own.
            auto rewriting =
                co_await unanswered(name, {.newest = part->messages, .more = part->more}, may_close, deadline);
            if (!rewriting || *rewriting) co_return rewriting;
        }
        if (!answer && !std::exchange(asked_for_replaced, true)) {
            auto old = co_await read_replaced(name.key, name.turn_id, deadline);
            if (!old) co_return failed(old.error());
            if (*old) {
                replaced = std::move(**old);
                range = {.before = sessions::answer_place(replaced->answer.message.timestamp),  // behind its parts
                         .max_messages = 4,
                         .max_bytes = search_bytes,
                         .with_the_rest = true,
                         .one_page = true};
                continue;
            }
        }
        if (!part->more || part->messages.empty()) co_return std::nullopt;
        range.before = part->messages.back().message.timestamp;
        range.max_messages = search_messages;
    }
}

// A turn without an answer: it runs, or its process is gone and it is closed. `view`: the session's newest messages.
async::Task<base::Result<std::optional<sessions::StoredTurn>>> DynamoSessions::unanswered(sessions::TurnName name,
                                                                                          const View& view,
                                                                                          bool may_close,
                                                                                          Deadline deadline) {
    const auto header = co_await read_header(name.key, deadline);
    if (!header) co_return failed(header.error());
    const DynamoMessage* newest = view.front();
    const bool has_question =
        newest && newest->message.role == chat::Role::user && newest->message.turn_id == name.turn_id;
    const bool is_last = *header && (*header)->turn == name.turn_id;
    const bool rewrites =
        is_last && !(*header)->rewrites.empty() && newest && newest->message.timestamp == (*header)->rewrites;
    if (!has_question && !rewrites) co_return std::nullopt;
    sessions::StoredTurn running;
    for (const DynamoMessage& each : view.newest) {
        if (each.message.role != chat::Role::user) continue;
        running.question = without_the_rest(each.message);
        break;
    }
    if ((is_last && runs_now(name.key, **header)) || !may_close) co_return running;
    DynamoHeader lost = header->value_or(DynamoHeader());
    if (!is_last) lost = {.model = lost.model, .turn = name.turn_id};
    std::string place = rewrites ? lost.rewrites : sessions::answer_place(newest->message.timestamp);
    const auto closed =
        co_await close_lost(name.key, lost, view, std::move(place), base::format_timestamp(clock_.wall_us()), deadline);
    if (!closed) co_return std::unexpected(closed.error());
    co_return co_await find_turn(std::move(name), false, deadline);
}

async::Task<base::Result<std::string>> DynamoSessions::next_turn(sessions::TurnName after) {
    if (after.turn_id.empty()) co_return std::string();
    const Deadline until = deadline();
    const auto replaced = co_await read_replaced(after.key, after.turn_id, until);
    if (!replaced) co_return failed(replaced.error());
    if (*replaced) co_return (*replaced)->next_turn;
    HistoryRange range{.max_messages = 4, .max_bytes = search_bytes, .one_page = true};
    std::string next;  // of the oldest question so far
    for (bool is_first = true;; is_first = false) {
        const auto part = co_await history_.read(after.key, range, until);
        if (!part) co_return failed(part.error());
        for (std::size_t i = 0; i < part->messages.size(); ++i) {
            const StoredMessage& message = part->messages[i].message;
            if (message.role == chat::Role::user) {
                if (message.turn_id == after.turn_id) co_return std::string();
                next = message.turn_id;
            } else if (message.turn_id == after.turn_id) {
                if (!is_first || i > 0) co_return next;
                const auto header = co_await read_header(after.key, until);
                if (!header) co_return failed(header.error());
                if (*header && (*header)->rewrites == message.timestamp && (*header)->turn != after.turn_id)
                    co_return (*header)->turn;
                co_return std::string();
            }
        }
        if (!part->more || part->messages.empty()) co_return std::string();
        range.before = part->messages.back().message.timestamp;
        range.max_messages = search_messages;
    }
}

// -- lists -----------------------------------------------------------------------------------------------------------

async::Task<base::Result<sessions::SessionPage>> DynamoSessions::sessions(std::string owner, std::int64_t limit,
                                                                          std::string after) {
    std::optional<SessionCursor> cursor;
    if (!after.empty()) {
        auto parsed = parse_cursor(after);
        if (!parsed) co_return std::unexpected(parsed.error());
        cursor = std::move(*parsed);
    }
    const Deadline until = deadline();
    sessions::SessionPage page;
    DynamoQuery query = query_of(settings_.tables.meta, header_pk(owner), "S#");
    do {
        auto found = co_await client_.query(query, until);
        if (!found) co_return failed(found.error());
        for (const DynamoItem& item : found->items) {
            auto listed = co_await list_entry(owner, read_header_item(item), until);
            if (!listed) co_return std::unexpected(std::move(listed.error()));
            if (!*listed) continue;
            const sessions::SessionHeader& header = **listed;
            if (!cursor ||
                std::tie(header.last_activity, header.session_id) < std::tie(cursor->last_activity, cursor->session_id))
                page.sessions.push_back(std::move(**listed));
        }
        query.from = std::move(found->next);
    } while (query.from);
    std::ranges::sort(page.sessions, [](const auto& a, const auto& b) {
        return std::tie(a.last_activity, a.session_id) > std::tie(b.last_activity, b.session_id);
    });
    if (std::ssize(page.sessions) > limit) {
        page.sessions.resize(static_cast<std::size_t>(limit));
        page.next = format_cursor({page.sessions.back().last_activity, page.sessions.back().session_id});
    }
    co_return page;
}

// What a list shows of a session; nothing: it was claimed, and never written to. A turn's end does not write the
// header: whoever sees it first here notes it there, for the lists that follow.
async::Task<base::Result<std::optional<sessions::SessionHeader>>> DynamoSessions::list_entry(const std::string& owner,
                                                                                             DynamoHeader header,
                                                                                             Deadline deadline) {
    if (!header.turn.empty() && header.listed == header.turn)
        co_return sessions::SessionHeader{.session_id = header.session_id,
                                          .message_count = header.message_count,
                                          .last_timestamp = header.last_timestamp,
                                          .last_activity = header.listed_activity,
                                          .first_words = header.first_words,
                                          .model = header.model,
                                          .system = header.system,
                                          .spent_nano = header.spent_nano};
    const SessionKey key{owner, header.session_id};
    const auto part = co_await history_.read(key, {.max_messages = 1, .max_bytes = 1, .one_page = true}, deadline);
    if (!part) co_return failed(part.error());
    if (part->messages.empty()) co_return std::nullopt;
    const DynamoMessage& newest = part->messages.front();
    sessions::SessionHeader shown = session_header(header.session_id, header, &newest);
    if (!newest.totals.messages) {
        auto counted = co_await history_.count(key, deadline);
        if (!counted) co_return failed(counted.error());
        shown.message_count = *counted;
    }
    if (!has_ended(header, &newest)) co_return shown;
    DynamoUpdate update;
    update.set("listed", dynamo_text(header.turn))
        .set("n", dynamo_number(shown.message_count))
        .set("last", dynamo_text(shown.last_timestamp))
        .set("seen", dynamo_text(shown.last_activity))
        .set("spent", dynamo_number(shown.spent_nano));
    std::string condition = update.alias("turn") + " = :listed AND " + update.alias("v") + " = " +
                            update.value(":version", dynamo_number(header.version));
    const auto noted = co_await client_.update(settings_.tables.meta, header_key(key), std::move(update).done(),
                                               std::move(condition), deadline);
    if (!noted && !condition_failed(noted.error())) co_return failed(noted.error());
    co_return shown;
}

// -- deleting --------------------------------------------------------------------------------------------------------

async::Task<base::Result<bool>> DynamoSessions::remove(SessionKey key) {
    const Deadline until = deadline();
    Runs runs;
    if (const auto found = running_.find(key.owner + "|" + key.session_id); found != running_.end())
        runs = found->second;
    if (!runs) {
        auto claimed = co_await claim(
            {.turn = {.key = key, .turn_id = base::make_id('x', random_)}, .max_messages = 2, .max_bytes = 1}, nullptr,
            until);
        if (!claimed) co_return std::unexpected(std::move(claimed.error()));
        runs = *claimed;
    } else if (!co_await is_held(runs, until)) {
        co_return std::unexpected(turn_not_running());
    }
    if (runs->newest.empty() && !runs->has_begun) {
        forget(runs);
        if (auto given = co_await give_back(runs, until); !given) co_return std::unexpected(given.error());
        co_return false;
    }
    auto all = co_await history_.all_keys(key, until);
    if (!all) co_return failed(all.error());
    // Bills stay.
    std::vector<json::object> requests;
    for (const BilledTurn& billed : all->billed) {
        DynamoItem item{{"pk", dynamo_text("B#" + key.owner)},
                        {"sk", dynamo_text(key.session_id + "|" + billed.turn_id)},
                        {"session", dynamo_text(key.session_id)},
                        {"bills", dynamo_text(bills_to_json({billed}))}};
        requests.push_back({{"PutRequest", json::object{{"Item", std::move(item)}}}});
    }
    const auto collect = [&](DynamoQuery query) -> Task<Outcome<void>> {
        do {
            auto page = co_await client_.query(query, until);
            if (!page) co_return std::unexpected(std::move(page.error()));
            for (const DynamoItem& item : page->items)
                requests.push_back(
                    {{"DeleteRequest", json::object{{"Key", DynamoItem{{"pk", dynamo_text(text_of(item, "pk"))},
                                                                       {"sk", dynamo_text(text_of(item, "sk"))}}}}}});
            query.from = std::move(page->next);
        } while (query.from);
        co_return Outcome<void>();
    };
    DynamoQuery turns = query_of(settings_.tables.meta, turns_pk(key));
    turns.projection = "pk, sk";
    DynamoQuery keys = query_of(settings_.tables.meta, "I#" + key.owner);
    keys.projection = "pk, sk";
    keys.filter = {.text = "#session = :session",
                   .names = {{"#session", "session"}},
                   .values = {{":session", dynamo_text(key.session_id)}}};
    if (auto collected = co_await collect(std::move(turns)); !collected) co_return failed(collected.error());
    if (auto collected = co_await collect(std::move(keys)); !collected) co_return failed(collected.error());
    if (auto done = co_await client_.batch(settings_.tables.meta, std::move(requests), until); !done)
        co_return failed(done.error());
    if (auto done = co_await history_.remove(std::move(all->keys), until); !done) co_return failed(done.error());
    // The header last: until then nobody else writes.
    DynamoUpdate update;
    std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(runs->turn_id));
    DynamoExpression mine = std::move(update).done();
    mine.text = std::move(condition);
    const auto removed = co_await client_.remove(settings_.tables.meta, header_key(key), std::move(mine), until);
    forget(runs);
    cache_.forget(key);
    if (!removed && !condition_failed(removed.error())) co_return failed(removed.error());
    co_return true;
}

// -- money -----------------------------------------------------------------------------------------------------------

async::Task<base::Result<sessions::UsageReport>> DynamoSessions::usage(sessions::UsageQuery query) {
    const Deadline until = deadline();
    MemoryLedger ledger;
    std::set<std::pair<std::string, std::string>> counted;
    const auto add = [&](const std::string& session, const std::vector<BilledTurn>& all) {
        for (const BilledTurn& billed : all)
            if (counted.emplace(session, billed.turn_id).second)
                ledger.add({.key = {query.owner, session}, .turn_id = billed.turn_id}, billed.ended_at, billed.bills);
    };
    std::vector<std::string> ids;
    if (!query.session_id.empty()) {
        ids.push_back(query.session_id);
    } else {
        DynamoQuery headers = query_of(settings_.tables.meta, header_pk(query.owner), "S#");
        headers.projection = "sk";
        do {
            auto page = co_await client_.query(headers, until);
            if (!page) co_return failed(page.error());
            for (const DynamoItem& item : page->items) ids.push_back(read_header_item(item).session_id);
            headers.from = std::move(page->next);
        } while (headers.from);
    }
    for (const std::string& id : ids) {
        std::string from;
        if (query.from_us > longest_turn_us) from = base::format_timestamp(query.from_us - longest_turn_us);
        auto bills = co_await history_.bills({query.owner, id}, std::move(from), until);
        if (!bills) co_return failed(bills.error());
        add(id, *bills);
    }
    DynamoQuery kept = query_of(settings_.tables.meta, "B#" + query.owner,
                                query.session_id.empty() ? std::string() : query.session_id + "|");
    do {
        auto page = co_await client_.query(kept, until);
        if (!page) co_return failed(page.error());
        for (const DynamoItem& item : page->items)
            add(std::string(text_of(item, "session")), bills_from_json(text_of(item, "bills")));
        kept.from = std::move(page->next);
    } while (kept.from);
    co_return ledger.usage(query);
}

}  // namespace tertulia::storage
