#include "tertulia/sessions/stored_answer.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace tertulia::sessions {
namespace {

using Step = chat::AnswerEvents::Kind;

std::optional<Step> step_of(EventKind kind) {
    switch (kind) {
        case EventKind::text:
            return Step::text;
        case EventKind::refusal:
            return Step::refusal;
        case EventKind::thinking:
            return Step::thinking;
        case EventKind::tool_call:
            return Step::tool_call;
        case EventKind::tool_arguments:
            return Step::tool_arguments;
        case EventKind::signature:
            return Step::signature;
        case EventKind::native:
            return Step::native;
        case EventKind::restart:
            return Step::restart;
        default:
            return std::nullopt;
    }
}

// Adds blocks after others; text that goes on goes on in the same block.
void append_blocks(std::vector<chat::ContentBlock>& blocks, std::vector<chat::ContentBlock> more) {
    auto next = more.begin();
    if (next != more.end() && !blocks.empty())
        if (auto* last = std::get_if<chat::Text>(&blocks.back()))
            if (const auto* first = std::get_if<chat::Text>(&*next)) {
                last->text += first->text;
                ++next;
            }
    std::move(next, more.end(), std::back_inserter(blocks));
}

// Which kind of block an event's text belongs to.
enum class Part : std::uint8_t { text, thinking, tool };

std::optional<Part> part_of(EventKind kind) {
    switch (kind) {
        case EventKind::text:
        case EventKind::refusal:
            return Part::text;
        case EventKind::thinking:
            return Part::thinking;
        case EventKind::tool_call:
        case EventKind::tool_arguments:
            return Part::tool;
        default:
            return std::nullopt;
    }
}

// One block of the record, and how much of a stored block's text its events carry.
struct Piece {
    Part part;
    std::uint32_t block;
    std::size_t model;  // which one of those that went on from each other
    std::size_t size = 0;
    std::string_view rest;                 // the text not yet given out
    const chat::ToolCall* call = nullptr;  // of a tool call
};

// The newest of the first `count` pieces that goes on with this event; `count` where it begins one.
std::size_t find_piece(const std::vector<Piece>& pieces, std::size_t count, const EventEntry& entry, Part part,
                       std::size_t model) {
    if (entry.kind == EventKind::tool_call) return count;
    for (std::size_t i = count; i > 0; --i) {
        const Piece& piece = pieces[i - 1];
        if (piece.model != model) break;
        if (piece.part == part && piece.block == entry.block) return i - 1;
    }
    return count;
}

// The piece that an event belongs to; made as MessageBuilder makes its blocks.
std::size_t piece_of(std::vector<Piece>& pieces, const EventEntry& entry, Part part, std::size_t model) {
    const std::size_t found = find_piece(pieces, pieces.size(), entry, part, model);
    if (found < pieces.size()) return found;
    pieces.push_back({.part = part, .block = entry.block, .model = model, .rest = {}});
    return pieces.size() - 1;
}

// The text of a block that events of `part` carried; nothing where none did.
std::optional<std::string_view> carried_text(const chat::ContentBlock& block, Part part) {
    const auto* text = std::get_if<chat::Text>(&block);
    if (part == Part::text && text) return text->text;
    const auto* thinking = std::get_if<chat::Thinking>(&block);
    if (part == Part::thinking && thinking && !thinking->text.empty()) return thinking->text;
    const auto* call = std::get_if<chat::ToolCall>(&block);
    if (part == Part::tool && call) return call->arguments;
    return std::nullopt;
}

// The last blocks of the answer are this record's; earlier ones belong to the answer that it continues. Of a block that
// both share, the end is this record's. False: they do not fit.
bool match(std::vector<Piece>& pieces, const std::vector<chat::ContentBlock>& blocks) {
    for (const Part part : {Part::text, Part::thinking, Part::tool}) {
        auto block = blocks.rbegin();
        for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
            // Events without any text make no block that is kept.
            if (piece->part != part || (piece->size == 0 && part != Part::tool)) continue;
            std::optional<std::string_view> text;
            while (block != blocks.rend() && !(text = carried_text(*block, part))) ++block;
            if (!text || text->size() < piece->size) return false;
            piece->rest = text->substr(text->size() - piece->size);
            piece->call = std::get_if<chat::ToolCall>(&*block);
            ++block;
        }
    }
    return true;
}

// The whole text in the place of the first event that carried any, where events and answer do not fit.
RestoredEvents whole_text(const StoredMessage& answer) {
    EventRecord record;
    bool given = answer.content.empty();
    std::uint32_t last = 0;
    EventEntry entry;
    const auto give = [&](std::uint32_t number) {
        record.add({.kind = EventKind::text,
                    .number = number,
                    .text_size = static_cast<std::uint32_t>(answer.content.size())});
        given = true;
    };
    for (EventCursor cursor; cursor.next(answer.events, entry); last = entry.number) {
        const bool carries = part_of(entry.kind) || entry.kind == EventKind::text_replaced;
        if (carries && !given) give(entry.number);
        if (carries || entry.kind == EventKind::rerouted) continue;
        if (entry.kind == EventKind::ended && !given && entry.number > last + 1) give(last + 1);
        record.add(entry);
    }
    return {std::move(record).take(), answer.content};
}

}  // namespace

std::vector<chat::ContentBlock> blocks_of(const StoredMessage& message) {
    if (!message.blocks.empty() || message.content.empty()) return message.blocks;
    return {chat::Text{message.content}};
}

std::vector<chat::ContentBlock> shown_content(const std::vector<chat::ContentBlock>& blocks) {
    std::vector<chat::ContentBlock> shown;
    if (std::ranges::none_of(blocks, [](const auto& block) { return std::holds_alternative<chat::ToolCall>(block); }))
        return shown;
    std::ranges::copy_if(blocks, std::back_inserter(shown), [](const auto& block) {
        return std::holds_alternative<chat::Text>(block) || std::holds_alternative<chat::ToolCall>(block);
    });
    return shown;
}

chat::Answer fold_answer(std::string_view record, std::string_view bytes, std::string_view maker,
                         const StoredMessage* before) {
    std::vector<chat::ContentBlock> earlier;
    if (before) earlier = blocks_of(*before);
    chat::MessageBuilder builder(maker);
    EventCursor cursor;
    EventEntry entry;
    while (cursor.next(record, entry)) {
        const std::string_view text = bytes.substr(0, entry.text_size);
        bytes.remove_prefix(text.size());
        const std::string_view extra = bytes.substr(0, entry.extra_size);
        bytes.remove_prefix(extra.size());
        if (const auto step = step_of(entry.kind)) {
            builder.add(*step, entry.block, text, extra);
        } else if (entry.kind == EventKind::rerouted) {
            builder.begin_new_blocks();
        } else if (entry.kind == EventKind::maker) {
            maker = text;
            builder.change_maker(maker);
        } else if (entry.kind == EventKind::text_replaced) {
            builder = chat::MessageBuilder(maker);
            if (text.empty())
                earlier.clear();
            else if (!before || before->content != text)
                earlier = {chat::Text{std::string(text)}};
        }
    }
    chat::Answer answer = std::move(builder).finish();
    append_blocks(earlier, std::move(answer.blocks));
    answer.blocks = std::move(earlier);
    return answer;
}

EventRecord shown_events(std::string_view record) {
    // A replaced text makes all steps before it void; a new beginning those of the model that begins anew, but not what
    // it goes on from.
    struct Range {
        std::uint32_t after, up_to;
    };
    std::vector<Range> void_ranges;
    std::uint32_t void_steps = 0, begun = 0, last = 0;
    EventEntry entry;
    for (EventCursor look; look.next(record, entry); last = std::max(last, entry.number)) {
        if (entry.kind == EventKind::restart) void_ranges.push_back({begun, last});
        if (entry.kind == EventKind::text_replaced) void_steps = last;
        if (entry.kind == EventKind::text_replaced || entry.kind == EventKind::rerouted) begun = entry.number;
    }
    const auto is_void = [&](const EventEntry& event) {
        if (event.kind == EventKind::text_replaced) return event.number <= void_steps;
        if (!part_of(event.kind)) return false;
        return event.number <= void_steps || std::ranges::any_of(void_ranges, [&](const Range& range) {
                   return event.number > range.after && event.number <= range.up_to;
               });
    };
    EventRecord shown;
    for (EventCursor cursor; cursor.next(record, entry);)
        if (is_shown(entry.kind) && !is_void(entry)) shown.add(entry);
    return shown;
}

std::vector<Rerouted> reroutes_of(std::string_view record, std::string_view bytes) {
    std::vector<Rerouted> reroutes;
    EventEntry entry;
    for (EventCursor cursor; cursor.next(record, entry);) {
        const std::string_view text = bytes.substr(0, entry.text_size);
        bytes.remove_prefix(std::min<std::size_t>(bytes.size(), std::size_t(entry.text_size) + entry.extra_size));
        if (entry.kind == EventKind::rerouted) reroutes.push_back(Rerouted::from_text(text).value_or(Rerouted{}));
    }
    return reroutes;
}

RestoredEvents restore_events(const StoredMessage& answer) {
    const std::vector<Rerouted> reroutes = answer.outcome ? answer.outcome->reroutes : std::vector<Rerouted>();
    const std::vector<chat::ContentBlock> blocks = blocks_of(answer);
    std::vector<Piece> pieces;
    EventEntry entry;
    std::size_t text_size = 0, model = 0;
    for (EventCursor cursor; cursor.next(answer.events, entry);) {
        if (entry.kind == EventKind::text_replaced) text_size += entry.text_size;
        if (entry.kind == EventKind::rerouted) ++model;
        const auto part = part_of(entry.kind);
        if (!part) continue;
        Piece& piece = pieces[piece_of(pieces, entry, *part, model)];
        if (entry.kind != EventKind::tool_call) piece.size += entry.text_size;
        if (*part == Part::text) text_size += entry.text_size;
    }
    if (text_size != answer.content.size() || !match(pieces, blocks)) return whole_text(answer);

    RestoredEvents restored{answer.events, {}};
    restored.bytes.reserve(text_size);
    // The pieces begin in the same order again: of two with one number, the later one does not have the earlier's
    // events.
    std::size_t begun = 0;
    model = 0;
    const auto piece_now = [&](Part part) -> Piece& {
        const std::size_t found = find_piece(pieces, begun, entry, part, model);
        if (found == begun) ++begun;
        return pieces[found];
    };
    for (EventCursor cursor; cursor.next(answer.events, entry);) {
        const auto part = part_of(entry.kind);
        if (entry.kind == EventKind::text_replaced) restored.bytes.append(answer.content, 0, entry.text_size);
        if (entry.kind == EventKind::rerouted) {
            const std::string text = model < reroutes.size() ? reroutes[model].to_text() : std::string();
            if (text.size() != entry.text_size) return whole_text(answer);
            restored.bytes += text;
            ++model;
        }
        if (!part) continue;
        Piece& piece = piece_now(*part);
        if (entry.kind == EventKind::tool_call) {
            if (piece.call->name.size() != entry.text_size || piece.call->id.size() != entry.extra_size)
                return whole_text(answer);
            restored.bytes += piece.call->name;
            restored.bytes += piece.call->id;
        } else {
            restored.bytes += piece.rest.substr(0, entry.text_size);
            piece.rest.remove_prefix(std::min<std::size_t>(entry.text_size, piece.rest.size()));
        }
    }
    return restored;
}

}  // namespace tertulia::sessions
