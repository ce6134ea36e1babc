#include "tertulia/sessions/turn_checkpoint.h"

#include <algorithm>

#include "tertulia/base/varint.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {

std::string TurnRemains::piece(std::string_view model, std::string_view maker, std::uint32_t reserved,
                               std::string_view record, std::string_view bytes) {
    std::string out;
    out.reserve(model.size() + maker.size() + record.size() + bytes.size() + 16);
    base::append_varint(out, reserved);
    base::append_sized(out, model);
    base::append_sized(out, maker);
    base::append_sized(out, record);
    base::append_sized(out, bytes);
    return out;
}

bool TurnRemains::add(std::string_view piece) {
    const auto number = base::take_varint(piece, UINT32_MAX);
    if (!number) return false;
    const auto model_name = base::take_sized(piece);
    const auto maker_name = model_name ? base::take_sized(piece) : std::nullopt;
    const auto more_record = maker_name ? base::take_sized(piece) : std::nullopt;
    const auto more_bytes = more_record ? base::take_sized(piece) : std::nullopt;
    if (!more_bytes || !piece.empty()) return false;
    reserved = std::max(reserved, static_cast<std::uint32_t>(*number));
    if (!model_name->empty()) model = *model_name;
    if (!maker_name->empty()) maker = *maker_name;
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
}

}  // namespace tertulia::sessions
