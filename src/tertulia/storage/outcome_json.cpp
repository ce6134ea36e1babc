#include "tertulia/storage/outcome_json.h"

#include <fmt/format.h>

#include <iterator>

#include "tertulia/base/json.h"

namespace tertulia::storage {

namespace json = boost::json;

namespace {

void begin_member(std::string& out, std::string_view name) {
    if (out.back() != '{') out += ',';
    base::append_json_name(out, name);
}

void put(std::string& out, std::string_view name, std::int64_t number) {
    if (number == 0) return;
    begin_member(out, name);
    fmt::format_to(std::back_inserter(out), "{}", number);
}

void put(std::string& out, std::string_view name, std::string_view text) {
    if (text.empty()) return;
    begin_member(out, name);
    base::append_json_string(out, text);
}

void take(const json::object& from, std::string_view name, std::int64_t& number) {
    if (const json::value* member = from.if_contains(name))
        if (const auto* value = member->if_int64()) number = *value;
}

void take(const json::object& from, std::string_view name, std::string& text) {
    if (const json::value* member = from.if_contains(name))
        if (const auto* value = member->if_string()) text.assign(value->data(), value->size());
}

// A list of objects; nothing where it is empty.
template <class Item, class PutMembers>
void put_list(std::string& out, std::string_view name, const std::vector<Item>& items, PutMembers put_members) {
    if (items.empty()) return;
    begin_member(out, name);
    char before = '[';
    for (const Item& item : items) {
        out += std::exchange(before, ',');
        out += '{';
        put_members(item);
        out += '}';
    }
    out += ']';
}

template <class TakeMembers>
void take_list(const json::object& from, std::string_view name, TakeMembers take_members) {
    const json::value* list = from.if_contains(name);
    if (const json::array* items = list ? list->if_array() : nullptr)
        for (const json::value& item : *items)
            if (const json::object* members = item.if_object()) take_members(*members);
}

base::Errc code_of(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(base::Errc::internal); ++i)
        if (const auto code = static_cast<base::Errc>(i); base::to_string(code) == name) return code;
    return base::Errc::internal;
}

base::Error read_error(const json::object& from) {
    base::Error error;
    std::string code;
    take(from, "code", code);
    error.code = code_of(code);
    take(from, "message", error.message);
    take(from, "title", error.title);
    std::int64_t status = 0, retry_after = -1;
    take(from, "status", status);
    if (status >= 100 && status <= 599) error.status = static_cast<int>(status);
    take(from, "retry_after_ms", retry_after);
    if (retry_after >= 0) error.retry_after = std::chrono::milliseconds(retry_after);
    const json::value* budget = from.if_contains("budget");
    if (const json::object* members = budget ? budget->if_object() : nullptr) {
        std::int64_t renews_at = 0;
        error.budget.emplace();
        take(*members, "left_nano", error.budget->left_nano);
        take(*members, "renews_at_us", renews_at);
        if (renews_at != 0) error.budget->renews_at_us = renews_at;
    }
    return error;
}

}  // namespace

std::string outcome_to_json(const sessions::TurnOutcome& outcome) {
    std::string out = "{";
    put(out, "conversation_length", outcome.conversation_length);
    put(out, "messages_sent", outcome.messages_sent);
    put(out, "messages_left_out", outcome.messages_left_out);
    put(out, "estimated_tokens", outcome.estimated_tokens);
    if (!outcome.ignored.empty()) {
        begin_member(out, "ignored");
        char before = '[';
        for (const std::string& name : outcome.ignored) {
            out += std::exchange(before, ',');
            base::append_json_string(out, name);
        }
        out += ']';
    }
    put(out, "price_version", outcome.price_version);
    if (const auto& error = outcome.error) {
        begin_member(out, "error");
        out += '{';
        put(out, "code", base::to_string(error->code));
        put(out, "message", error->message);
        put(out, "title", error->title);
        put(out, "status", error->status);
        if (error->retry_after) {  // 0 says something
            begin_member(out, "retry_after_ms");
            fmt::format_to(std::back_inserter(out), "{}", error->retry_after->count());
        }
        if (error->budget) {
            begin_member(out, "budget");
            out += '{';
            put(out, "left_nano", error->budget->left_nano);
            put(out, "renews_at_us", error->budget->renews_at_us.value_or(0));
            out += '}';
        }
        out += '}';
    }
    put(out, "continues", outcome.continues);
    put_list(out, "attempts", outcome.attempts, [&out](const sessions::TurnAttempt& attempt) {
        put(out, "model", attempt.model);
        put(out, "outcome", attempt.outcome);
        put(out, "ms", attempt.ms);
        put(out, "tokens", attempt.tokens);
    });
    put_list(out, "reroutes", outcome.reroutes, [&out](const sessions::Rerouted& rerouted) {
        put(out, "from", rerouted.from);
        put(out, "to", rerouted.to);
        put(out, "reason", rerouted.reason);
        put(out, "kept_chars", rerouted.kept_chars);
    });
    put(out, "told", outcome.told);
    out += '}';
    return out;
}

sessions::TurnOutcome outcome_from_json(std::string_view text) {
    sessions::TurnOutcome outcome;
    const auto parsed = base::parse_json(text);
    const json::object* from = parsed ? parsed->if_object() : nullptr;
    if (from == nullptr) return outcome;
    take(*from, "conversation_length", outcome.conversation_length);
    take(*from, "messages_sent", outcome.messages_sent);
    take(*from, "messages_left_out", outcome.messages_left_out);
    take(*from, "estimated_tokens", outcome.estimated_tokens);
    const json::value* ignored = from->if_contains("ignored");
    if (const json::array* names = ignored ? ignored->if_array() : nullptr)
        for (const json::value& name : *names)
            if (const auto* known = name.if_string()) outcome.ignored.emplace_back(known->data(), known->size());
    take(*from, "price_version", outcome.price_version);
    const json::value* error = from->if_contains("error");
    if (const json::object* members = error ? error->if_object() : nullptr) outcome.error = read_error(*members);
    take(*from, "continues", outcome.continues);
    take_list(*from, "attempts", [&outcome](const json::object& members) {
        sessions::TurnAttempt& attempt = outcome.attempts.emplace_back();
        take(members, "model", attempt.model);
        take(members, "outcome", attempt.outcome);
        take(members, "ms", attempt.ms);
        take(members, "tokens", attempt.tokens);
    });
    take_list(*from, "reroutes", [&outcome](const json::object& members) {
        sessions::Rerouted& rerouted = outcome.reroutes.emplace_back();
        take(members, "from", rerouted.from);
        take(members, "to", rerouted.to);
        take(members, "reason", rerouted.reason);
        take(members, "kept_chars", rerouted.kept_chars);
    });
    take(*from, "told", outcome.told);
    return outcome;
}

}  // namespace tertulia::storage
