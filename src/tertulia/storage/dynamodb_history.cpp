#include "tertulia/storage/dynamodb_history.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tertulia/storage/dynamodb_keys.h"
#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {

namespace json = boost::json;
using async::Task;
using base::Deadline;
using sessions::SessionKey;

namespace {

// More items than these are read with the next page: a history of long messages would cost much more than is wanted.
constexpr std::int64_t page_items = 40;
constexpr int part_tries = 8;

DynamoItem key_of(const SessionKey& key, std::string_view place) {
    return {{"session_id", dynamo_text(dynamo_session(key))}, {"timestamp", dynamo_text(place)}};
}

// Some of the names are reserved words.
void project_bills(DynamoQuery& query) {
    std::string_view comma;
    for (const char* name : bill_attributes) {
        const std::string placeholder = std::string("#") + name;
        query.projection.append(std::exchange(comma, ", ")).append(placeholder);
        query.key.names[placeholder] = name;
    }
}

}  // namespace

DynamoQuery DynamoHistory::query_of(const SessionKey& key, const HistoryRange& range) const {
    DynamoQuery query{.table = tables_.sessions, .newest_first = range.newest_first, .strong = !range.may_lag};
    query.key.text = "session_id = :s";
    query.key.values[":s"] = dynamo_text(dynamo_session(key));
    if (!range.after.empty()) query.key.values[":a"] = dynamo_text(range.after);
    if (!range.before.empty()) query.key.values[":b"] = dynamo_text(range.before);
    if (!range.after.empty() || !range.before.empty()) query.key.names["#t"] = "timestamp";
    if (!range.after.empty() && !range.before.empty())
        query.key.text += " AND #t BETWEEN :a AND :b";
    else if (!range.after.empty())
        query.key.text += " AND #t > :a";
    else if (!range.before.empty())
        query.key.text += " AND #t < :b";
    query.limit = std::clamp<std::int64_t>(range.max_messages + 1, 2, page_items + 1);
    return query;
}

Task<DynamoHistory::Outcome<HistoryPart>> DynamoHistory::read(SessionKey key, HistoryRange range, Deadline deadline) {
    HistoryPart part;
    if (!range.after.empty() && !range.before.empty() && range.after >= range.before) co_return part;
    DynamoQuery query = query_of(key, range);
    MessageAssembler assembler(range.newest_first, range.with_the_rest);
    ReadLimit limit(range.max_messages, range.max_bytes);
    for (;;) {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        for (DynamoItem& item : page->items) {
            const std::string_view place = text_of(item, "timestamp");
            if (place == range.after || place == range.before) continue;  // BETWEEN takes its ends in
            auto message = assembler.add(std::move(item));
            if (!message) continue;
            if (!limit.has_room()) {
                part.more = true;
                co_return part;
            }
            limit.add(size_of(message->message));
            part.messages.push_back(std::move(*message));
        }
        if (!page->next) co_return part;
        if (range.one_page && !part.messages.empty() && !assembler.is_within_message()) {
            part.more = true;
            co_return part;
        }
        query.from = std::move(page->next);
        if (assembler.is_within_message()) query.limit = page_items + 1;
    }
}

Task<DynamoHistory::Outcome<std::int64_t>> DynamoHistory::count(SessionKey key, Deadline deadline) {
    DynamoQuery query = query_of(key, {});
    query.limit = 0;
    query.only_count = true;
    // Inner parts are no messages of their own.
    query.filter = {.text = "attribute_not_exists(part) OR part = :one", .values = {{":one", dynamo_number(1)}}};
    std::int64_t messages = 0;
    do {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        messages += page->count;
        query.from = std::move(page->next);
    } while (query.from);
    co_return messages;
}

// Anywhere among the message's places.
std::int64_t DynamoHistory::choose_base(std::size_t parts) const {
    std::array<unsigned char, 4> bytes{};
    random_.fill(bytes);
    std::uint32_t number = 0;
    for (const unsigned char byte : bytes) number = number << 8 | byte;
    const auto room = sessions::places_of_a_message - static_cast<std::int64_t>(parts);
    return 1 + (room > 1 ? number % room : 0);
}

// All items but the message's own, which is given back: the message is there when that is.
Task<DynamoHistory::Outcome<DynamoItem>> DynamoHistory::write_parts(const SessionKey& key, DynamoMessage& message,
                                                                    Deadline deadline) {
    const std::string& place = message.message.timestamp;
    std::vector<DynamoItem> items = encode_message(message);
    const std::string write = base::make_id('w', random_);
    bool is_written = items.size() == 1;
    for (int tries = 0; !is_written && tries < part_tries; ++tries) {
        message.part_base = choose_base(items.size());
        is_written = true;
        for (std::size_t i = 1; i < items.size() && is_written; ++i) {
            const auto at = part_place(place, message.part_base + static_cast<std::int64_t>(i) - 1);
            if (!at)
                co_return std::unexpected(aws::ServiceError{.message = "a message so large cannot stand there",
                                                            .errc = base::Errc::too_large});
            DynamoItem item = items[i];
            item["w"] = dynamo_text(write);
            for (auto& [name, value] : key_of(key, *at)) item[name] = std::move(value);
            const auto put =
                co_await client_.put(tables_.sessions, std::move(item),
                                     DynamoExpression{.text = "attribute_not_exists(session_id)"}, deadline);
            if (!put && !condition_failed(put.error())) co_return std::unexpected(put.error());
            // An attempt whose answer was lost has done it; or there are parts of another write.
            if (!put) is_written = text_of(old_item(put.error()), "w") == write;
        }
    }
    if (!is_written)
        co_return std::unexpected(aws::ServiceError{.message = "there is no room for the parts of a message"});
    DynamoItem own = std::move(items.front());
    if (items.size() > 1) {
        own["w"] = dynamo_text(write);
        own["base"] = dynamo_number(message.part_base);
    }
    for (auto& [name, value] : key_of(key, place)) own[name] = std::move(value);
    co_return own;
}

Task<DynamoHistory::Outcome<void>> DynamoHistory::write(Place place, DynamoMessage message, Deadline deadline) {
    auto own = co_await write_parts(place.key, message, deadline);
    if (!own) co_return std::unexpected(std::move(own.error()));
    DynamoExpression condition{.text = "attribute_not_exists(session_id)"};
    if (place.instead_of) {
        condition.text = place.instead_of->empty() ? "attribute_not_exists(#turn)" : "#turn = :turn";
        condition.names["#turn"] = "turn";
        if (!place.instead_of->empty()) condition.values[":turn"] = dynamo_text(*place.instead_of);
    }
    const std::string own_write(text_of(*own, "w"));
    const std::int64_t parts = parts_of(*own);
    auto written = co_await client_.put(tables_.sessions, std::move(*own), std::move(condition), deadline);
    if (written) co_return Outcome<void>();
    // Who lost its claim since it looked leaves no parts of what was refused. (Unless that is there: an attempt whose
    // answer was lost has written it.)
    if (parts > 1 && condition_failed(written.error()) && text_of(old_item(written.error()), "w") != own_write)
        (void)co_await remove_parts(place.key, message.message.timestamp, message.part_base, parts, deadline);
    co_return std::unexpected(std::move(written.error()));
}

Task<DynamoHistory::Outcome<void>> DynamoHistory::write_if_claimed(SessionKey key, DynamoMessage message,
                                                                   DynamoItem header_key, DynamoExpression condition,
                                                                   std::string token, Deadline deadline) {
    auto own = co_await write_parts(key, message, deadline);
    if (!own) co_return std::unexpected(std::move(own.error()));
    const std::string own_write(text_of(*own, "w"));
    const std::int64_t parts = parts_of(*own);
    auto written =
        co_await client_.put_if(tables_.sessions, std::move(*own), "attribute_not_exists(session_id)", tables_.meta,
                                std::move(header_key), std::move(condition), std::move(token), deadline);
    if (written) co_return Outcome<void>();
    const auto there = transaction_failed_at(written.error(), 0);
    const bool is_refused = there ? text_of(*there, "w") != own_write : bool(transaction_failed_at(written.error(), 1));
    if (parts > 1 && is_refused)
        (void)co_await remove_parts(std::move(key), message.message.timestamp, message.part_base, parts, deadline);
    co_return std::unexpected(std::move(written.error()));
}

Task<DynamoHistory::Outcome<void>> DynamoHistory::remove_parts(SessionKey key, std::string place, std::int64_t base,
                                                               std::int64_t parts, Deadline deadline) {
    std::vector<DynamoItem> keys;
    for (std::int64_t i = 0; i + 1 < parts; ++i)
        if (const auto at = part_place(place, base + i)) keys.push_back(key_of(key, *at));
    co_return co_await remove(std::move(keys), deadline);
}

Task<DynamoHistory::Outcome<DynamoHistory::AllKeys>> DynamoHistory::all_keys(SessionKey key, Deadline deadline) {
    DynamoQuery query = query_of(key, {});
    query.limit = 0;
    query.newest_first = false;
    query.projection = "session_id, #t, ";
    query.key.names["#t"] = "timestamp";
    project_bills(query);
    AllKeys all;
    do {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        for (const DynamoItem& item : page->items) {
            all.keys.push_back(key_of(key, text_of(item, "timestamp")));
            for (BilledTurn& turn : read_bills(item)) all.billed.push_back(std::move(turn));
        }
        query.from = std::move(page->next);
    } while (query.from);
    co_return all;
}

Task<DynamoHistory::Outcome<std::vector<BilledTurn>>> DynamoHistory::bills(SessionKey key, std::string from,
                                                                           Deadline deadline) {
    DynamoQuery query = query_of(key, {.after = std::move(from), .newest_first = false});
    query.limit = 0;
    project_bills(query);
    std::vector<BilledTurn> all;
    do {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        for (const DynamoItem& item : page->items)
            for (BilledTurn& turn : read_bills(item)) all.push_back(std::move(turn));
        query.from = std::move(page->next);
    } while (query.from);
    co_return all;
}

Task<DynamoHistory::Outcome<void>> DynamoHistory::remove(std::vector<DynamoItem> keys, Deadline deadline) {
    if (keys.empty()) co_return Outcome<void>();
    std::vector<json::object> requests;
    for (DynamoItem& key : keys) requests.push_back(delete_request(std::move(key)));
    co_return co_await client_.batch(tables_.sessions, std::move(requests), deadline);
}

}  // namespace tertulia::storage
