#include "tertulia/storage/packed_text.h"

#include <gtest/gtest.h>

#include "tertulia/storage/outcome_json.h"

namespace tertulia::storage {
namespace {

constexpr std::size_t most = 1 << 20;

TEST(PackedText, comes_back_as_it_was) {
    std::string random(100'000, '\0');
    for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<char>(i * i * 2654435761U >> 13);
    for (const std::string& text : {std::string(), std::string("x"), std::string(300'000, 'a'), random})
        EXPECT_EQ(unpack_text(pack_text(text), most), text) << text.size();
}

TEST(PackedText, an_outcome_becomes_a_third) {
    const std::string text = outcome_to_json({.conversation_length = 19,
                                              .messages_sent = 19,
                                              .estimated_tokens = 5123,
                                              .price_version = "2026-07-01",
                                              .attempts = {{"anthropic/claude-haiku-4-5", "ok", 4217, 431}}});
    EXPECT_LT(pack_text(text).size() * 3, text.size());
}

// What is in tables is read for ever.
TEST(PackedText, what_the_first_version_wrote_is_read) {
    constexpr std::string_view hex = "01c3e156231c2e3030d7353054aa5548cc4b5128cf482c5148cbcfc9c92f2f0600";
    std::string packed;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        packed += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    EXPECT_EQ(unpack_text(packed, most), R"({"conversation_length":2,"price_version":"2026-07-01"} and what follows)");
}

TEST(PackedText, what_is_cut_or_foreign_is_nothing) {
    const std::string packed = pack_text(R"({"conversation_length":2} and something else)");
    for (std::size_t size = 0; size < packed.size(); ++size)
        EXPECT_EQ(unpack_text(packed.substr(0, size), most), std::nullopt) << size;
    EXPECT_EQ(unpack_text("\x02" + packed.substr(1), most), std::nullopt);
    EXPECT_EQ(unpack_text("\x01not deflated", most), std::nullopt);
    EXPECT_EQ(unpack_text(pack_text(std::string(5000, 'a')), 4999), std::nullopt);
}

}  // namespace
}  // namespace tertulia::storage
