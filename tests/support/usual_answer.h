// What an answer usually holds besides its text.
#pragma once

#include <cstdint>
#include <utility>

#include "tertulia/sessions/event_record.h"
#include "tertulia/sessions/store_values.h"

namespace tertulia::test {

/// As the server keeps an answer that came at once, in a hundred events: with its events, outcome, tokens and bill. Its
/// text is what it is. Pure.
inline void fill_as_usual(sessions::TurnEnd& end) {
    using sessions::EventKind;
    sessions::StoredMessage& answer = end.message;
    sessions::EventRecord record;
    std::uint32_t number = 0;
    record.add({.kind = EventKind::started, .number = ++number});
    for (std::uint32_t i = 0; i < 100; ++i)
        record.add({.kind = EventKind::text, .number = ++number, .text_size = 3 + i * i % 17});
    record.add({.kind = EventKind::usage, .number = ++number});
    record.add({.kind = EventKind::ended, .number = ++number});
    answer.events = std::move(record).take();
    answer.model = "anthropic/claude-haiku-4-5";
    answer.stop_reason = chat::StopReason::end_turn;
    answer.usage = chat::Usage{.input = 2000, .output = 400};
    answer.cost_nano = 4'000'000;
    answer.outcome = {.conversation_length = 19,
                      .messages_sent = 19,
                      .estimated_tokens = 5123,
                      .price_version = "2026-07-01",
                      .attempts = {{.model = answer.model, .outcome = "ok", .ms = 4217, .tokens = 400}}};
    end.bills = {{.model = answer.model,
                  .usage = *answer.usage,
                  .cost_nano = answer.cost_nano,
                  .price_version = answer.outcome->price_version}};
}

}  // namespace tertulia::test
