// How a single turn is found in DynamoDB, also one whose answer was rewritten since.
#include <algorithm>
#include <utility>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::SessionKey;
using sessions::StoredMessage;

namespace {

// How much of a history is read at a time where a turn is looked for in it.
constexpr std::int64_t search_messages = 24, search_bytes = 1 << 20;

StoredMessage without_the_rest(StoredMessage message) {
    message.events.clear();
    message.outcome.reset();
    return message;
}

}  // namespace

async::Task<DynamoSessions::Outcome<std::optional<DynamoSessions::Replaced>>> DynamoSessions::read_replaced(
    const SessionKey& key, const std::string& turn_id, Deadline deadline) {
    DynamoQuery query = query_of(settings_.tables.meta, turns_pk(key), replaced_sk(turn_id));
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

}  // namespace tertulia::storage
