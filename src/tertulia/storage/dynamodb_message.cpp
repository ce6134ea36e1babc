#include "tertulia/storage/dynamodb_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ranges>

#include "tertulia/base/clock.h"
#include "tertulia/base/date_text.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/storage/dynamodb_keys.h"
#include "tertulia/storage/outcome_json.h"
#include "tertulia/storage/packed_text.h"
#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {
namespace {

namespace json = boost::json;

// Of the record of events, and what came of the turn.
constexpr std::size_t most_rest_bytes = 64 << 20;
// A character has four bytes at most: less room than this is none.
constexpr std::size_t least_room = 4;

// `input/cache_read/cache_write/output/reasoning`, and what of it is our own estimate ("i", "o").
std::string usage_text(const chat::Usage& usage) {
    return fmt::format("{}/{}/{}/{}/{}{}{}", usage.input, usage.cache_read, usage.cache_write + usage.cache_write_long,
                       usage.output, usage.reasoning, usage.input_estimated ? "i" : "",
                       usage.output_estimated ? "o" : "");
}

std::optional<chat::Usage> parse_usage(std::string_view text) {
    chat::Usage usage;
    while (text.ends_with('o') || text.ends_with('i')) {
        (text.back() == 'o' ? usage.output_estimated : usage.input_estimated) = true;
        text.remove_suffix(1);
    }
    const std::array<std::int64_t*, 5> counts{&usage.input, &usage.cache_read, &usage.cache_write, &usage.output,
                                              &usage.reasoning};
    std::size_t next = 0;
    for (const auto part : text | std::views::split('/')) {
        const std::string number(part.begin(), part.end());
        if (next == counts.size() || number.empty() || number.size() > 18 ||
            number.find_first_not_of("0123456789") != std::string::npos)
            return std::nullopt;
        *counts[next++] = std::stoll(number);
    }
    return next == counts.size() ? std::optional(usage) : std::nullopt;
}

void put_text(DynamoItem& item, std::string_view name, std::string_view text) {
    if (!text.empty()) item[name] = dynamo_text(text);
}

void put_number(DynamoItem& item, std::string_view name, std::int64_t number) {
    if (number != 0) item[name] = dynamo_number(number);
}

// One of the members that may be large, and how far it has been given out.
struct Large {
    std::string_view name;
    std::string_view rest;
    bool is_text = true;
};

// As much of it as there is room for, at a character's border.
std::string_view take(Large& large, std::size_t room) {
    const std::string_view piece = large.is_text ? base::cut_utf8(large.rest, room) : large.rest.substr(0, room);
    large.rest.remove_prefix(piece.size());
    return piece;
}

void put_common(DynamoItem& item, const sessions::StoredMessage& message) {
    item["role"] = dynamo_text(chat::to_string(message.role));
    item["created_at"] = dynamo_text(message.created_at);
    put_text(item, "turn", message.turn_id);
}

// Is its only bill what the message says of itself?
bool is_its_own_bill(const DynamoMessage& whole) {
    const sessions::StoredMessage& message = whole.message;
    if (whole.billed.size() != 1 || whole.billed.front().bills.size() != 1) return false;
    const BilledTurn& turn = whole.billed.front();
    const billing::Bill& bill = turn.bills.front();
    return turn.turn_id == message.turn_id && turn.ended_at == message.created_at && bill.model == message.model &&
           bill.usage == message.usage && bill.usage.cache_write_long == 0 && bill.cost_nano == message.cost_nano &&
           !bill.is_hedge;
}

// Outcome and events; empty: there are none.
std::string rest_of(const sessions::StoredMessage& message) {
    if (!message.outcome && message.events.empty()) return {};
    std::string rest = message.outcome ? outcome_to_json(*message.outcome) : std::string();
    rest += '\0';
    rest += message.events;
    return pack_text(rest);
}

void read_rest(std::string_view packed, sessions::StoredMessage& message) {
    const auto rest = packed.empty() ? std::nullopt : unpack_text(packed, most_rest_bytes);
    const std::size_t end = rest ? rest->find('\0') : std::string::npos;
    if (end == std::string::npos) return;
    if (end > 0) message.outcome = outcome_from_json(std::string_view(*rest).substr(0, end));
    message.events = rest->substr(end + 1);
}

void put_own(DynamoItem& item, const DynamoMessage& whole) {
    const sessions::StoredMessage& message = whole.message;
    if (message.state != sessions::TurnState::completed) put_text(item, "state", sessions::to_string(message.state));
    put_text(item, "model", message.model);
    if (message.stop_reason) put_text(item, "stop", chat::to_string(*message.stop_reason));
    if (message.usage) item["tokens"] = dynamo_text(usage_text(*message.usage));
    if (message.cost_nano) item["cost"] = dynamo_number(*message.cost_nano);
    if (is_its_own_bill(whole))
        item["bill"] = dynamo_text(whole.billed.front().bills.front().price_version);
    else if (!whole.billed.empty())
        item["bills"] = dynamo_text(bills_to_json(whole.billed));
    if (whole.totals.messages) item["n"] = dynamo_number(*whole.totals.messages);
    put_number(item, "spent", whole.totals.spent_nano);
    put_text(item, "ctx", whole.totals.context_from);
    put_number(item, "win", whole.totals.context_window);
    if (whole.first_number != 1) item["first"] = dynamo_number(whole.first_number);
    put_text(item, "follows", whole.follows);
}

json::array bill_array(const billing::Bill& bill) {
    const chat::Usage& u = bill.usage;
    const int flags = (u.input_estimated ? 1 : 0) | (u.output_estimated ? 2 : 0) | (bill.is_hedge ? 4 : 0);
    json::array row{bill.model, u.input,     u.cache_read, u.cache_write, u.cache_write_long,
                    u.output,   u.reasoning, flags,        nullptr,       bill.price_version};
    if (bill.cost_nano) row[8] = *bill.cost_nano;
    return row;
}

std::optional<billing::Bill> read_bill(const json::value& value) {
    const json::array* row = value.if_array();
    if (!row || row->size() != 10 || !(*row)[0].is_string() || !(*row)[9].is_string()) return std::nullopt;
    billing::Bill bill{.model = std::string((*row)[0].get_string())};
    const std::array<std::int64_t*, 6> counts{&bill.usage.input,       &bill.usage.cache_read,
                                              &bill.usage.cache_write, &bill.usage.cache_write_long,
                                              &bill.usage.output,      &bill.usage.reasoning};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto* number = (*row)[i + 1].if_int64();
        if (!number) return std::nullopt;
        *counts[i] = *number;
    }
    if (const auto* flags = (*row)[7].if_int64()) {
        bill.usage.input_estimated = (*flags & 1) != 0;
        bill.usage.output_estimated = (*flags & 2) != 0;
        bill.is_hedge = (*flags & 4) != 0;
    }
    if (const auto* cost = (*row)[8].if_int64()) bill.cost_nano = *cost;
    bill.price_version = std::string((*row)[9].get_string());
    return bill;
}

}  // namespace

std::vector<DynamoItem> encode_message(const DynamoMessage& whole, std::size_t part_bytes) {
    const sessions::StoredMessage& message = whole.message;
    const std::string blocks = keeps_blocks(message) ? chat::blocks_to_json(message.blocks) : std::string();
    const std::string rest = rest_of(message);
    std::array<Large, 4> all{
        {{"content", message.content}, {"blocks", blocks}, {"metadata", message.metadata}, {"rest", rest, false}}};
    std::vector<DynamoItem> items(1);
    std::size_t room = part_bytes;
    for (Large& large : all) {
        while (!large.rest.empty()) {
            if (room < least_room) {
                items.emplace_back();
                room = part_bytes;
            }
            const std::string_view piece = take(large, room);
            room -= piece.empty() ? room : piece.size();
            if (!piece.empty()) items.back()[large.name] = large.is_text ? dynamo_text(piece) : dynamo_bytes(piece);
        }
    }
    std::int64_t number = 0;
    for (DynamoItem& item : items) {
        put_common(item, message);
        if (!item.contains("content")) item["content"] = dynamo_text("");
        if (items.size() == 1) continue;
        item["part"] = dynamo_number(++number);
        item["parts"] = dynamo_number(static_cast<std::int64_t>(items.size()));
    }
    put_own(items.front(), whole);
    return items;
}

std::optional<std::string> part_place(std::string_view place, std::int64_t number) {
    const auto us = base::parse_rfc3339(place);
    if (!us || number >= sessions::places_of_a_message) return std::nullopt;
    // Another form may not sort before what its microseconds make.
    if (base::format_timestamp(*us) != place) return std::nullopt;
    return base::format_timestamp(*us + number);
}

bool is_unbroken(const std::vector<DynamoMessage>& newest, bool more) {
    for (std::size_t i = 0; i < newest.size(); ++i) {
        const auto number = newest[i].totals.messages;
        if (!number) return false;
        if (i + 1 == newest.size()) return *number == 1 || more;
        const DynamoMessage& older = newest[i + 1];
        if (older.totals.messages != *number - 1) return false;
        if (!newest[i].follows.empty() && newest[i].follows != older.message.turn_id) return false;
    }
    return true;
}

std::string rewriter_of(const std::vector<DynamoMessage>& newest) {
    if (newest.empty() || newest.front().message.role != chat::Role::assistant) return {};
    const std::string& last = newest.front().message.turn_id;
    return newest.size() > 1 && newest[1].message.turn_id == last ? std::string() : last;
}

bool is_inner_part(const DynamoItem& item) {
    return number_of(item, "part").value_or(1) > 1;
}

std::int64_t parts_of(const DynamoItem& item) {
    return std::max<std::int64_t>(1, number_of(item, "parts").value_or(1));
}

DynamoMessage decode_message(const std::vector<const DynamoItem*>& items, bool with_the_rest,
                             std::string_view sort_key) {
    DynamoMessage whole;
    sessions::StoredMessage& message = whole.message;
    std::string blocks, rest;
    for (const DynamoItem* item : items) {
        message.content += text_of(*item, "content");
        blocks += text_of(*item, "blocks");
        message.metadata += text_of(*item, "metadata");
        if (!with_the_rest) continue;
        rest += bytes_of(*item, "rest");
        message.events += bytes_of(*item, "events");  // of an older message
    }
    const DynamoItem& own = *items.front();
    message.role = chat::parse_role(text_of(own, "role")).value_or(chat::Role::user);
    if (!blocks.empty()) message.blocks = chat::blocks_from_json(blocks);
    message.timestamp = text_of(own, sort_key);
    message.created_at = text_of(own, "created_at");
    message.turn_id = text_of(own, "turn");
    if (const auto state = text_of(own, "state"); !state.empty())
        message.state = sessions::parse_turn_state(state).value_or(sessions::TurnState::completed);
    message.model = text_of(own, "model");
    if (const auto stop = text_of(own, "stop"); !stop.empty()) message.stop_reason = chat::parse_stop_reason(stop);
    if (const auto usage = text_of(own, "tokens"); !usage.empty()) message.usage = parse_usage(usage);
    message.cost_nano = number_of(own, "cost");
    if (const auto outcome = text_of(own, "outcome"); with_the_rest && !outcome.empty())
        message.outcome = outcome_from_json(outcome);
    read_rest(rest, message);
    if (with_the_rest) whole.billed = read_bills(own);
    whole.totals = {.messages = number_of(own, "n"),
                    .spent_nano = number_of(own, "spent").value_or(0),
                    .context_from = std::string(text_of(own, "ctx")),
                    .context_window = number_of(own, "win").value_or(0)};
    whole.first_number = static_cast<std::uint32_t>(number_of(own, "first").value_or(1));
    whole.follows = text_of(own, "follows");
    whole.part_base = number_of(own, "base").value_or(1);
    whole.parts = parts_of(own);
    return whole;
}

std::optional<DynamoMessage> MessageAssembler::add(DynamoItem item) {
    return newest_first_ ? add_newer_first(std::move(item)) : add_older_first(std::move(item));
}

DynamoMessage MessageAssembler::whole() {
    std::vector<const DynamoItem*> in_order;
    for (const DynamoItem& each : items_) in_order.push_back(&each);
    DynamoMessage message = decode_message(in_order, with_the_rest_);
    items_.clear();
    return message;
}

std::optional<DynamoMessage> MessageAssembler::add_newer_first(DynamoItem item) {
    const std::string write(text_of(item, "w"));
    if (is_inner_part(item)) {
        by_write_[write].push_back(std::move(item));
        return std::nullopt;
    }
    const std::int64_t parts = parts_of(item);
    items_.push_back(std::move(item));
    if (parts > 1)
        for (DynamoItem& part : by_write_[write] | std::views::reverse)
            if (number_of(part, "part") == std::ssize(items_) + 1 && parts_of(part) == parts)
                items_.push_back(std::move(part));
    by_write_.clear();
    if (std::ssize(items_) == parts) return whole();
    items_.clear();
    return std::nullopt;
}

std::optional<DynamoMessage> MessageAssembler::add_older_first(DynamoItem item) {
    if (!is_inner_part(item)) {
        items_.clear();
        missing_ = parts_of(item) - 1;
    } else if (missing_ == 0 || number_of(item, "part") != std::ssize(items_) + 1 ||
               text_of(item, "w") != text_of(items_.front(), "w")) {
        return std::nullopt;
    } else {
        --missing_;
    }
    items_.push_back(std::move(item));
    if (missing_ > 0) return std::nullopt;
    return whole();
}

DynamoItem kept_bills_item(const sessions::SessionKey& key, const BilledTurn& billed) {
    DynamoItem item = meta_key(kept_bills_pk(key.owner), kept_bills_sk(key.session_id, billed.turn_id));
    item["session"] = dynamo_text(key.session_id);
    item["bills"] = dynamo_text(bills_to_json({billed}));
    return item;
}

std::vector<BilledTurn> read_bills(const DynamoItem& item) {
    if (!item.contains("bill")) return bills_from_json(text_of(item, "bills"));
    billing::Bill bill{.model = std::string(text_of(item, "model")),
                       .usage = parse_usage(text_of(item, "tokens")).value_or(chat::Usage()),
                       .cost_nano = number_of(item, "cost"),
                       .price_version = std::string(text_of(item, "bill"))};
    return {{.turn_id = std::string(text_of(item, "turn")),
             .ended_at = std::string(text_of(item, "created_at")),
             .bills = {std::move(bill)}}};
}

std::string bills_to_json(const std::vector<BilledTurn>& billed) {
    json::array turns;
    for (const BilledTurn& turn : billed) {
        json::array rows;
        for (const billing::Bill& bill : turn.bills) rows.push_back(bill_array(bill));
        turns.push_back(json::array{turn.turn_id, turn.ended_at, std::move(rows)});
    }
    return json::serialize(turns);
}

std::vector<BilledTurn> bills_from_json(std::string_view text) {
    std::vector<BilledTurn> billed;
    if (text.empty()) return billed;
    const auto parsed = base::parse_json(text);
    const json::array* turns = parsed ? parsed->if_array() : nullptr;
    if (!turns) return billed;
    for (const json::value& value : *turns) {
        const json::array* turn = value.if_array();
        if (!turn || turn->size() != 3 || !(*turn)[0].is_string() || !(*turn)[1].is_string() || !(*turn)[2].is_array())
            continue;
        BilledTurn& each = billed.emplace_back();
        each.turn_id = std::string((*turn)[0].get_string());
        each.ended_at = std::string((*turn)[1].get_string());
        for (const json::value& row : (*turn)[2].get_array())
            if (auto bill = read_bill(row)) each.bills.push_back(std::move(*bill));
    }
    return billed;
}

}  // namespace tertulia::storage
