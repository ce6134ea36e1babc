#include "tertulia/sessions/turn_checkpoint.h"

#include <algorithm>
#include <iterator>

#include "tertulia/base/varint.h"
#include "tertulia/sessions/billed.h"
#include "tertulia/sessions/given_tokens.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {
namespace {

bool take_attempt(std::string_view& text, TurnAttempt& attempt) {
    const auto model = base::take_sized(text);
    const auto outcome = model ? base::take_sized(text) : std::nullopt;
    const auto ms = outcome ? base::take_varint(text, INT64_MAX) : std::nullopt;
    const auto tokens = ms ? base::take_varint(text, INT64_MAX) : std::nullopt;
    if (!tokens) return false;
    attempt = {.model = std::string(*model),
               .outcome = std::string(*outcome),
               .ms = static_cast<std::int64_t>(*ms),
               .tokens = static_cast<std::int64_t>(*tokens)};
    return true;
}

}  // namespace

std::string TurnRemains::piece(std::string_view model, std::string_view maker, std::uint32_t reserved,
                               std::string_view record, std::string_view bytes, std::int64_t prompt_tokens,
                               std::string_view continues) {
    std::string out;
    out.reserve(model.size() + maker.size() + record.size() + bytes.size() + continues.size() + 32);
    base::append_varint(out, reserved);
    base::append_sized(out, model);
    base::append_sized(out, maker);
    base::append_sized(out, record);
    base::append_sized(out, bytes);
    // What is left out at the end is none.
    if (prompt_tokens > 0 || !continues.empty()) base::append_varint(out, static_cast<std::uint64_t>(prompt_tokens));
    if (!continues.empty()) base::append_sized(out, continues);
    return out;
}

std::string TurnRemains::piece(const std::vector<TurnAttempt>& attempts) {
    std::string out = piece({}, {}, 0, {}, {});
    base::append_varint(out, 0);
    base::append_sized(out, {});
    for (const TurnAttempt& attempt : attempts) {
        base::append_sized(out, attempt.model);
        base::append_sized(out, attempt.outcome);
        base::append_varint(out, static_cast<std::uint64_t>(attempt.ms));
        base::append_varint(out, static_cast<std::uint64_t>(attempt.tokens));
    }
    return out;
}

bool TurnRemains::add(std::string_view piece) {
    const auto number = base::take_varint(piece, UINT32_MAX);
    if (!number) return false;
    const auto model_name = base::take_sized(piece);
    const auto maker_name = model_name ? base::take_sized(piece) : std::nullopt;
    const auto more_record = maker_name ? base::take_sized(piece) : std::nullopt;
    const auto more_bytes = more_record ? base::take_sized(piece) : std::nullopt;
    if (!more_bytes) return false;
    const auto prompt = piece.empty() ? std::optional<std::uint64_t>(0) : base::take_varint(piece, INT64_MAX);
    if (!prompt) return false;
    const auto continued = piece.empty() ? std::optional<std::string_view>("") : base::take_sized(piece);
    if (!continued) return false;
    std::vector<TurnAttempt> calls;
    while (!piece.empty())
        if (!take_attempt(piece, calls.emplace_back())) return false;
    reserved = std::max(reserved, static_cast<std::uint32_t>(*number));
    if (!model_name->empty()) model = *model_name;
    if (!maker_name->empty()) maker = *maker_name;
    if (*prompt != 0) prompt_tokens = static_cast<std::int64_t>(*prompt);
    if (!continued->empty()) continues = *continued;
    std::ranges::move(calls, std::back_inserter(attempts));
    record += *more_record;
    bytes += *more_bytes;
    return true;
}

void fill_interrupted(StoredMessage& answer, const TurnRemains* remains, std::uint32_t first_number,
                      const StoredMessage* before) {
    answer.state = TurnState::interrupted;
    const TurnRemains none;
    const TurnRemains& kept = remains ? *remains : none;
    if (!kept.model.empty()) answer.model = kept.model;

    chat::Answer folded = fold_answer(kept.record, kept.bytes, kept.maker, before);
    answer.content = chat::text_of(folded.blocks);
    answer.blocks = chat::is_plain_text(folded.blocks) ? std::vector<chat::ContentBlock>() : std::move(folded.blocks);

    EventRecord events = shown_events(kept.record);
    // Numbers that leave no room for an end: nobody saw them, the record is spoilt.
    if (events.last_number() > UINT32_MAX - 2) events = {};
    if (events.last_number() == 0) events.add({.kind = EventKind::started, .number = first_number});
    // One number is left out: a reader that saw events which were lost gets `text.replaced` under it.
    const std::uint32_t last = std::max(kept.reserved, events.last_number());
    events.add({.kind = EventKind::ended, .number = std::min(last, UINT32_MAX - 2) + 2});
    answer.events = std::move(events).take();
    if (!answer.outcome) answer.outcome.emplace();
    answer.outcome->reroutes = reroutes_of(kept.record, kept.bytes);
    if (!answer.outcome->reroutes.empty() && !answer.outcome->reroutes.back().to.empty())
        answer.model = answer.outcome->reroutes.back().to;
    const std::vector<billing::Bill> bills = bills_of_interrupted(kept, answer.model);
    if (!bills.empty()) answer.usage = billing::add_up(bills).usage;
}

std::vector<billing::Bill> bills_of_interrupted(const TurnRemains& remains, const std::string& model) {
    std::vector<billing::Bill> bills;
    std::int64_t prompt_tokens = remains.prompt_tokens;
    GivenTokens given;
    std::string_view bytes = remains.bytes;
    EventEntry entry;
    for (EventCursor cursor; cursor.next(remains.record, entry);) {
        const std::string_view text = bytes.substr(0, entry.text_size);
        bytes.remove_prefix(std::min<std::size_t>(bytes.size(), std::size_t(entry.text_size) + entry.extra_size));
        given.add(entry, text);
        if (entry.kind != EventKind::billed) continue;
        auto billed = Billed::from_text(text);
        if (!billed) continue;
        std::ranges::move(billed->bills, std::back_inserter(bills));
        prompt_tokens = billed->prompt_tokens;
        given = {};
    }
    if (!given.any() || model.empty()) return bills;
    billing::Bill& last = bills.emplace_back(billing::Bill{.model = model, .usage = given.usage()});
    last.usage.input = prompt_tokens;
    last.usage.input_estimated = last.usage.output_estimated = true;
    return bills;
}

}  // namespace tertulia::sessions
