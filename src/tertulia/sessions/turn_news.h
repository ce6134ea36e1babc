// What is heard of a turn that runs in another process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tertulia::sessions {

/// How far a turn was followed; only the store looks into it. Value.
struct NewsPlace {
    /// The last of the turn's pieces that was given.
    std::uint64_t piece = 0;
    /// Milliseconds since 1970: until when the process that runs it needs give no sign of life.
    std::int64_t until_ms = 0;
    bool operator==(const NewsPlace&) const = default;
};

/// What was kept of a running turn since the last look. Value.
struct TurnNews {
    /// In TurnCheckpoint::data's form, in the order of their writing, none missing.
    std::vector<std::string> pieces = {};
    /// They hold all of the turn so far.
    bool is_whole = false;
    /// It runs no more, perhaps: `SessionStore::turn` knows.
    bool may_be_over = false;
    /// Where the next look begins.
    NewsPlace next = {};
};

}  // namespace tertulia::sessions
