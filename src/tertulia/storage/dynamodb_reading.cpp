// Histories and lists of sessions in DynamoDB.
#include <algorithm>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::SessionKey;
using sessions::StoredMessage;

namespace {

std::vector<StoredMessage> plain(std::vector<DynamoMessage>&& messages) {
    std::vector<StoredMessage> result;
    for (DynamoMessage& each : messages) result.push_back(std::move(each.message));
    return result;
}

}  // namespace

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
    DynamoQuery query = query_of(settings_.tables.meta, header_pk(owner), headers_prefix);
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

}  // namespace tertulia::storage
