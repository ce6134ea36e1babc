// What is kept of a turn while it runs, for the case of a crash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/billing/bill.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// Event numbers that a turn may use without having reserved them: its start alone reserves these.
constexpr std::uint32_t first_reserved_numbers = 10'000;

/// The pieces of one turn, put together. Value.
struct TurnRemains {
    std::string model;
    /// The provider kind that thinking and native blocks belong to.
    std::string maker;
    /// No event that anybody saw has a greater number.
    std::uint32_t reserved = first_reserved_numbers;
    /// The events (event_record.h), and their texts.
    std::string record;
    std::string bytes;
    /// The prompt's estimated size; 0: not known.
    std::int64_t prompt_tokens = 0;
    /// The turn whose answer this one continues; empty: none.
    std::string continues;
    /// The calls of a turn that was handed over.
    std::vector<TurnAttempt> attempts;

    /// As one piece, in `TurnCheckpoint::data`'s form.
    static std::string piece(std::string_view model, std::string_view maker, std::uint32_t reserved,
                             std::string_view record, std::string_view bytes, std::int64_t prompt_tokens = 0,
                             std::string_view continues = {});
    /// The same, of nothing but calls.
    static std::string piece(const std::vector<TurnAttempt>& attempts);
    /// Adds what follows. False: it is no piece, and nothing was added.
    bool add(std::string_view piece);
};

/// Fills in what an interrupted answer holds: text, blocks, the model that spoke last, what it used (estimated), and
/// the events as far as they were kept, then the terminal one, whose number is beyond all that anybody saw. `remains`:
/// nullptr where nothing was kept; then `first_number` is that of `turn.started`. `before`: the answer that the turn
/// was rewriting, or nullptr; its content stays the beginning. Pure.
void fill_interrupted(StoredMessage& answer, const TurnRemains* remains, std::uint32_t first_number,
                      const StoredMessage* before);

/// What the turn of such an answer is billed for: its attempts that were over, as they were billed, and the one that
/// the crash cut, of `model` (the answer's), by our own estimate and without a price. Nothing for one whose model had
/// said nothing yet. Pure.
std::vector<billing::Bill> bills_of_interrupted(const TurnRemains& remains, const std::string& model);

}  // namespace tertulia::sessions
