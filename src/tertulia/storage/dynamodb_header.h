// A session's header in DynamoDB: what lists show, and who may write.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/dynamodb_item.h"
#include "tertulia/storage/dynamodb_message.h"

namespace tertulia::storage {

/// The item `U#<owner>` / `S#<session>`. A turn writes it once, when it claims the session; that the turn has ended
/// shows in the history, which has its answer. Value.
struct DynamoHeader {
    std::string session_id;
    /// The first user message's beginning.
    std::string first_words;
    /// Sticky.
    std::string model;
    std::string system;

    /// Of the last claim: the turn, the process that made it (empty: nobody, it was handed over), until when it holds
    /// (milliseconds since 1970), and its number, which only grows.
    std::string turn;
    std::string by;
    std::int64_t until_ms = 0;
    std::int64_t version = 0;
    /// Where the turn's question stands, or would.
    std::string question_place;
    /// Of a turn that rewrites an answer: that answer's place, TurnStart::first_number, and what is true of the session
    /// until the answer says it.
    std::string rewrites;
    std::uint32_t first_number = 1;
    std::string context_from;
    std::int64_t context_window = 0;
    std::string last_activity;
    /// What another process asks the turn to end as; empty: nothing.
    std::string stop;
    bool is_handed_over = false;

    /// Processes that follow the session's turns for others than their own, until when (milliseconds since 1970). There
    /// may be more of them; two are enough for the one that runs a turn to see another one.
    struct Watcher {
        std::string by;
        std::int64_t until_ms = 0;
        bool operator==(const Watcher&) const = default;
    };
    std::array<Watcher, 2> watchers;

    /// For lists, as of the turn `listed`, when its end was first seen by one: where that is `turn`, they are right.
    std::string listed;
    std::int64_t message_count = 0;
    std::string last_timestamp;
    std::string listed_activity;
    std::int64_t spent_nano = 0;

    bool operator==(const DynamoHeader&) const = default;
};

std::string header_pk(std::string_view owner);
std::string header_sk(std::string_view session_id);

/// What is missing or not understood keeps its default. Pure.
DynamoHeader read_header_item(const DynamoItem& item);

/// The header as SessionStore tells it. `newest`: the session's newest message; null: it has none. Pure.
sessions::SessionHeader session_header(const std::string& session_id, const DynamoHeader& header,
                                       const DynamoMessage* newest);

/// The names of a watcher's two attributes. Pure.
std::string watcher_name(std::size_t which);
std::string watched_until_name(std::size_t which);

/// For how long the session is followed by other processes than `me`, as far as is known; 0: by none. Pure.
base::Milliseconds watched_for(const DynamoHeader& header, std::string_view me, std::int64_t now_ms);

/// Has the turn of the last claim ended, as far as `newest` shows? Pure.
bool has_ended(const DynamoHeader& header, const DynamoMessage* newest);

}  // namespace tertulia::storage
