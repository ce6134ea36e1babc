// A turn's checkpoints in DynamoDB.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tertulia/storage/dynamodb_item.h"

namespace tertulia::storage {

/// The key of a turn's item number `number` (from 1), and what is greater than all of them. Pure.
std::string piece_sk(std::string_view turn_id, std::uint64_t number);
std::string after_pieces_sk(std::string_view turn_id);

/// Puts the pieces of one turn together from their items, which are added in the order of their keys. A turn writes
/// several at once (one that reserves event numbers goes by itself), so that they can be seen before others that come
/// first; what a failed write has left out for good is in a later piece that holds all of the turn. Value.
class DynamoPieces {
  public:
    enum class Gaps { stop, pass };
    /// Those after item `after`. `stop`: as far as none is missing.
    explicit DynamoPieces(std::uint64_t after, Gaps gaps) : gaps_(gaps), at_(after), last_(after) {}

    void add(const DynamoItem& item);

    std::vector<std::string> take() { return std::move(pieces_); }
    /// The item that was used last.
    std::uint64_t last() const { return last_; }
    /// Do they hold all of the turn so far?
    bool is_whole() const { return is_whole_; }

  private:
    const Gaps gaps_;
    std::uint64_t at_, last_;
    bool is_broken_ = false;  // something is missing here
    bool is_whole_ = false;
    std::string piece_;  // as far as its parts have come
    std::int64_t parts_left_ = 0;
    std::vector<std::string> pieces_;
};

}  // namespace tertulia::storage
