// From a turn's events to the answer that is stored, and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/message_builder.h"
#include "tertulia/sessions/event_record.h"
#include "tertulia/sessions/rerouted.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// The answer that a record and its bytes make. `maker`: the provider kind of its thinking and native blocks. `before`:
/// the answer that the turn continues, or nullptr: its blocks come first. Pure.
chat::Answer fold_answer(std::string_view record, std::string_view bytes, std::string_view maker,
                         const StoredMessage* before);

/// What is stored of a record: the events that a reader is shown, without those that a model's new beginning made
/// void. Pure.
EventRecord shown_events(std::string_view record);

/// A message's blocks, whichever way it was kept. Pure.
std::vector<chat::ContentBlock> blocks_of(const StoredMessage& message);

/// What a client is shown of an answer that calls tools, beside its text: texts and calls, in their order. Empty where
/// it calls none. Pure.
std::vector<chat::ContentBlock> shown_content(const std::vector<chat::ContentBlock>& blocks);

/// What its `rerouted` events say. Pure.
std::vector<Rerouted> reroutes_of(std::string_view record, std::string_view bytes);

/// The texts of a stored answer's events, one after the other: what the log's bytes were. Where the answer does not
/// have what its events say (somebody has edited the store), the text is given in the first event and the rest are
/// empty. Pure.
struct RestoredEvents {
    std::string record;
    std::string bytes;
};
RestoredEvents restore_events(const StoredMessage& answer);

}  // namespace tertulia::sessions
