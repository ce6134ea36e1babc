// What is read back of a turn after a crash: whatever the store holds becomes an answer that ends, and whose events
// carry exactly its text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/varint.h"
#include "tertulia/sessions/billed.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/sessions/turn_log.h"

namespace {

using namespace tertulia::sessions;

void require(bool holds, std::source_location where = std::source_location::current()) {
    if (holds) return;
    std::fprintf(stderr, "line %u does not hold\n", static_cast<unsigned>(where.line()));
    std::abort();
}

struct Input {
    std::string_view rest;
    std::size_t number(std::size_t below) {
        if (rest.empty()) return 0;
        const auto value = static_cast<unsigned char>(rest.front()) % below;
        rest.remove_prefix(1);
        return value;
    }
    std::string_view text(std::size_t size) {
        const std::string_view taken = rest.substr(0, size);
        rest.remove_prefix(taken.size());
        return taken;
    }
};

StoredMessage interrupted(const TurnRemains* remains, std::uint32_t first_number, const StoredMessage* before) {
    StoredMessage answer;
    fill_interrupted(answer, remains, first_number, before);
    require(answer.state == TurnState::interrupted);
    return answer;
}

// Reads the answer's events as a replay does; `in_order`: each text block is whole before the next one begins.
void replay(const StoredMessage& answer, bool in_order) {
    const RestoredEvents events = restore_events(answer);
    EventEntry entry;
    std::string text;
    std::size_t at = 0;
    std::uint32_t last = 0;
    for (EventCursor cursor; cursor.next(events.record, entry);) {
        require(is_shown(entry.kind) && entry.number > last);
        last = entry.number;
        require(events.bytes.size() - at >= std::size_t{entry.text_size} + entry.extra_size);
        if (entry.kind == EventKind::text_replaced) text.clear();
        if (entry.kind == EventKind::text || entry.kind == EventKind::refusal || entry.kind == EventKind::text_replaced)
            text.append(events.bytes, at, entry.text_size);
        at += std::size_t{entry.text_size} + entry.extra_size;
    }
    require(entry.kind == EventKind::ended);
    require(at == events.bytes.size());
    if (in_order) require(text == answer.content);
}

// Another process goes on with it: the log can be read to its end, and more be added.
void resume(const TurnRemains& remains) {
    TurnLog log(std::make_shared<const TurnName>());
    log.resume(remains, {.model = "p/m"}, 1);
    require(log.last_number() > 0);
    if (log.last_number() > UINT32_MAX - 3) return;
    log.replace_text("more");
    log.finish({}, false);
    EventBatch batch;
    TurnLog::Place place;
    std::uint32_t last = 0;
    do {
        log.read(place, batch);
        if (!batch.events.empty()) last = batch.events.back().number;
    } while (!batch.events.empty());
    require(last == log.last_number());
}

// Any bytes as pieces.
void read_anything(Input input, const StoredMessage* before) {
    TurnRemains remains;
    while (!input.rest.empty()) {
        const TurnRemains earlier = remains;
        if (!remains.add(input.text(input.number(200) + 1)))
            require(remains.record == earlier.record && remains.bytes == earlier.bytes &&
                    remains.model == earlier.model && remains.maker == earlier.maker &&
                    remains.reserved == earlier.reserved && remains.prompt_tokens == earlier.prompt_tokens &&
                    remains.attempts == earlier.attempts);
        require(remains.prompt_tokens >= 0);
    }
    replay(interrupted(&remains, 1, before), false);
    resume(remains);
}

// Any bytes as record and texts of a well-formed piece.
void read_any_record(Input input, const StoredMessage* before) {
    TurnRemains remains;
    const std::string_view record = input.text(input.number(256));
    require(remains.add(
        TurnRemains::piece("p/m", "maker", static_cast<std::uint32_t>(input.number(256)), record, input.rest)));
    replay(interrupted(&remains, 1, before), false);
    resume(remains);
}

// A turn's events as a provider may send them, in pieces.
void read_turn(Input input, const StoredMessage* before) {
    TurnRemains remains;
    EventRecord record;
    std::string bytes, before_text = before ? before->content : "";
    std::size_t sent = 0;
    std::uint32_t block = 0;
    const auto add = [&](EventKind kind, std::string_view text, std::string_view extra = {}) {
        const bool shown = is_shown(kind);
        record.add({.kind = kind,
                    .number = shown ? record.last_number() + 1 : 0,
                    .block = block,
                    .text_size = static_cast<std::uint32_t>(text.size()),
                    .extra_size = static_cast<std::uint32_t>(extra.size())});
        bytes.append(text).append(extra);
    };
    const auto flush = [&] {
        require(remains.add(TurnRemains::piece("p/m", "maker", record.last_number() + 5,
                                               std::string_view(record.bytes()).substr(sent), bytes)));
        sent = record.bytes().size();
        bytes.clear();
    };
    add(EventKind::started, {});
    if (before) add(EventKind::text_replaced, before_text);
    bool has_text = false;
    std::string_view model = "p/m";
    std::vector<tertulia::billing::Bill> bills;
    while (!input.rest.empty()) {
        const std::size_t what = input.number(16);
        const std::string_view text = input.text(input.number(6));
        if (what < 4) {
            add(EventKind::text, text);
            has_text = true;
        } else if (what < 6) {
            add(EventKind::thinking, text);
        } else if (what == 6) {
            ++block;
        } else if (what == 7) {
            add(EventKind::tool_call, text, input.text(input.number(4)));
        } else if (what == 8) {
            add(EventKind::tool_arguments, text);
        } else if (what == 9) {
            add(EventKind::signature, text);
        } else if (what == 10 && !has_text) {
            add(EventKind::restart, {});
        } else if (what == 11) {
            add(EventKind::maker, text);
        } else if (what == 12 || what == 13) {
            add(EventKind::rerouted, Rerouted{"p/m", "q/n", "timed_out", std::ssize(text)}.to_text());
            model = "q/n";
            has_text = false;
            if (what == 12 || before) continue;
            add(EventKind::text_replaced, {});
        } else if (what == 14) {
            const Billed billed{.bills = {{.model = "p/m", .usage = {.output = std::ssize(text)}}}};
            add(EventKind::billed, billed.to_text());
            bills.push_back(billed.bills.front());
        } else {
            flush();
        }
    }
    flush();
    const StoredMessage answer = interrupted(&remains, 1, before);
    require(answer.model == model && answer.content.starts_with(before_text));
    // What was billed, and perhaps one more for the attempt that was cut.
    const auto billed = bills_of_interrupted(remains, answer.model);
    require(billed.size() - bills.size() <= 1 && std::equal(bills.begin(), bills.end(), billed.begin()));
    replay(answer, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{{reinterpret_cast<const char*>(data), size}};
    StoredMessage before;
    const std::size_t how = input.number(6);
    if (how >= 3) before.content = input.text(input.number(5));
    const StoredMessage* rewritten = how >= 3 ? &before : nullptr;
    switch (how % 3) {
        case 0:
            read_anything(input, rewritten);
            break;
        case 1:
            read_any_record(input, rewritten);
            break;
        default:
            read_turn(input, rewritten);
    }
    return 0;
}
