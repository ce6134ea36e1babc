#include "tertulia/storage/dynamodb_pieces.h"

#include <fmt/format.h>

#include <charconv>

namespace tertulia::storage {
namespace {

std::uint64_t number_in(std::string_view sk) {
    const std::string_view digits = sk.substr(sk.rfind('#') + 1);
    std::uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

}  // namespace

std::string piece_sk(std::string_view turn_id, std::uint64_t number) {
    return fmt::format("{}#{:06}", turn_id, number);
}
std::string after_pieces_sk(std::string_view turn_id) {
    return std::string(turn_id) + "#~";
}

void DynamoPieces::add(const DynamoItem& item) {
    const std::uint64_t number = number_in(text_of(item, "sk"));
    const bool follows = number == at_ + 1 || gaps_ == Gaps::pass;
    at_ = number;
    if (number_of(item, "whole")) {
        pieces_.clear();
        is_whole_ = true;
        is_broken_ = false;
    } else if (!follows) {
        is_broken_ = true;
    }
    if (is_broken_) return;
    if (number_of(item, "more")) {
        piece_ += bytes_of(item, "data");
    } else {
        piece_ = bytes_of(item, "data");
        parts_left_ = number_of(item, "parts").value_or(1);
    }
    if (--parts_left_ != 0) return;
    pieces_.push_back(std::move(piece_));
    last_ = number;
}

}  // namespace tertulia::storage
