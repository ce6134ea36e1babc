#include "tertulia/storage/dynamodb_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Gaps = DynamoPieces::Gaps;

// `2` is an item, `2!` one that holds all of its turn, `2/3` the first of three parts, `3+` a part after it.
DynamoItem item(std::string_view how) {
    const auto number = static_cast<std::uint64_t>(how.front() - '0');
    DynamoItem item{{"sk", dynamo_text(piece_sk("t", number))}, {"data", dynamo_bytes(how.substr(0, 1))}};
    if (how.find('!') != std::string_view::npos) item["whole"] = dynamo_number(1);
    if (how.find('+') != std::string_view::npos) item["more"] = dynamo_number(1);
    if (const auto at = how.find('/'); at != std::string_view::npos) item["parts"] = dynamo_number(how[at + 1] - '0');
    return item;
}

DynamoPieces read(const std::vector<std::string_view>& items, std::uint64_t after = 0, Gaps gaps = Gaps::stop) {
    DynamoPieces pieces(after, gaps);
    for (const std::string_view how : items) pieces.add(item(how));
    return pieces;
}

TEST(DynamoPieces, ComeInTheirOrder) {
    auto pieces = read({"1!", "2", "3"});
    EXPECT_EQ(pieces.last(), 3u);
    EXPECT_TRUE(pieces.is_whole());
    EXPECT_THAT(pieces.take(), ElementsAre("1", "2", "3"));
    auto more = read({"4", "5"}, 3);
    EXPECT_EQ(more.last(), 5u);
    EXPECT_FALSE(more.is_whole());
    EXPECT_THAT(more.take(), ElementsAre("4", "5"));
    EXPECT_THAT(read({}, 5).take(), IsEmpty());
    EXPECT_EQ(read({}, 5).last(), 5u);
}

TEST(DynamoPieces, AGapIsWaitedFor) {
    auto pieces = read({"1!", "2", "4", "5"});
    EXPECT_EQ(pieces.last(), 2u);
    EXPECT_THAT(pieces.take(), ElementsAre("1", "2"));
    EXPECT_THAT(read({"3", "4", "5"}, 2).take(), ElementsAre("3", "4", "5"));
    EXPECT_THAT(read({"2"}, 0).take(), IsEmpty()) << "the first one is missing";
}

TEST(DynamoPieces, OneThatHoldsAllMakesEarlierOnesAndGapsVoid) {
    auto pieces = read({"2", "4", "5!", "6"}, 1);
    EXPECT_TRUE(pieces.is_whole());
    EXPECT_EQ(pieces.last(), 6u);
    EXPECT_THAT(pieces.take(), ElementsAre("5", "6"));
}

TEST(DynamoPieces, APieceInPartsIsThereWhenAllOfThemAre) {
    for (const auto& items : std::vector<std::vector<std::string_view>>{{"1!/3"}, {"1!/3", "2+"}, {"1!/3", "3+"}}) {
        auto pieces = read(items);
        EXPECT_EQ(pieces.last(), 0u);
        EXPECT_THAT(pieces.take(), IsEmpty());
    }
    auto pieces = read({"1!/3", "2+", "3+", "4"});
    EXPECT_EQ(pieces.last(), 4u);
    EXPECT_THAT(pieces.take(), ElementsAre("123", "4"));
    EXPECT_THAT(read({"2+", "3+", "4"}, 0).take(), IsEmpty());
}

TEST(DynamoPieces, WhoClosesALostTurnTakesWhatThereIs) {
    auto pieces = read({"1!", "3", "5/2", "7"}, 0, Gaps::pass);
    EXPECT_EQ(pieces.last(), 7u);
    EXPECT_THAT(pieces.take(), ElementsAre("1", "3", "7"));
}

TEST(DynamoPieces, KeysAreInTheirOrder) {
    EXPECT_LT(piece_sk("t", 9), piece_sk("t", 10));
    EXPECT_LT(piece_sk("t", 999'999), after_pieces_sk("t"));
}

}  // namespace
}  // namespace tertulia::storage
