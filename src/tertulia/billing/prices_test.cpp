#include "tertulia/billing/prices.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::billing {
namespace {

using testing::HasSubstr;

void write(const std::string& path, const std::string& version, const std::string& input) {
    std::ofstream(path) << R"({"version": ")" << version << R"(", "prices": {"my/model": {"input": ")" << input
                        << R"(", "output": "1"}}})";
}

struct World {
    test::ManualClock clock;
    tests::TemporaryFolder folder;
    std::string path = folder / "prices.json";
    std::vector<std::pair<std::string, bool>> told;

    Prices::Options options() {
        return {.file = path, .on_reload = [this](const std::string& message, bool is_problem) {
                    told.emplace_back(message, is_problem);
                }};
    }
    std::int64_t input_of(Prices& prices, const char* model) { return prices.table()->find(model)->rates.input; }
};

TEST(Prices, a_bill_gets_its_cost_and_the_edition_that_says_so) {
    const test::ManualClock clock;
    Prices prices(clock);
    const Bill bill = prices.priced({.model = "openai/gpt-5-mini", .usage = {.input = 4, .output = 1}});
    EXPECT_EQ(bill.cost_nano, 3'000);
    EXPECT_EQ(bill.price_version, PriceTable::shipped().version());
    const Bill unknown = prices.priced({.model = "local/model", .usage = {.input = 4, .output = 1}});
    EXPECT_EQ(unknown.cost_nano, std::nullopt);
    EXPECT_EQ(unknown.price_version, "");
    EXPECT_EQ(prices.worst_case("openai/gpt-5-mini", 4, 1), 3'000);
    EXPECT_EQ(prices.worst_case("local/model", 4, 1), std::nullopt);
}

TEST(Prices, the_configuration_goes_before_the_file_and_the_file_before_what_is_shipped) {
    World world;
    std::ofstream(world.path) << R"({"version": "mine", "prices": {"openai/gpt-5": {"input": "7", "output": "1"},
                                                                    "openai/o3": {"input": "7", "output": "1"}}})";
    Prices::Options options = world.options();
    options.configured = {{"openai/gpt-5", {.rates = {.input = 9'000'000}, .version = "configuration"}}};
    const auto prices = Prices::open(std::move(options), world.clock).value();
    EXPECT_EQ(world.input_of(*prices, "openai/gpt-5"), 9'000'000);
    EXPECT_EQ(world.input_of(*prices, "openai/o3"), 7'000'000);
    EXPECT_EQ(world.input_of(*prices, "openai/gpt-5-mini"), 250'000);
    EXPECT_EQ(prices->priced({.model = "openai/gpt-5"}).price_version, "configuration");
    EXPECT_EQ(prices->priced({.model = "openai/o3"}).price_version, "mine");
}

TEST(Prices, a_changed_file_is_taken_in_when_its_time_has_come) {
    World world;
    write(world.path, "one", "1");
    const auto prices = Prices::open(world.options(), world.clock).value();
    EXPECT_EQ(world.input_of(*prices, "my/model"), 1'000'000);
    write(world.path, "two", "22");
    EXPECT_EQ(world.input_of(*prices, "my/model"), 1'000'000);
    EXPECT_TRUE(world.told.empty());
    world.clock.advance(std::chrono::seconds(3));
    EXPECT_EQ(world.input_of(*prices, "my/model"), 22'000'000);
    ASSERT_EQ(world.told.size(), 1U);
    EXPECT_FALSE(world.told.front().second);
    EXPECT_THAT(world.told.front().first, HasSubstr("two"));
}

TEST(Prices, a_broken_or_missing_file_changes_nothing_and_is_told_once) {
    World world;
    write(world.path, "one", "1");
    const auto prices = Prices::open(world.options(), world.clock).value();
    std::ofstream(world.path) << "{";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(world.input_of(*prices, "my/model"), 1'000'000);
        world.clock.advance(std::chrono::seconds(3));
    }
    ASSERT_EQ(world.told.size(), 1U);
    EXPECT_TRUE(world.told.front().second);
    EXPECT_THAT(world.told.front().first, HasSubstr(world.path));
    std::filesystem::remove(world.path);
    EXPECT_EQ(world.input_of(*prices, "my/model"), 1'000'000);
    EXPECT_EQ(world.told.size(), 2U);
    write(world.path, "two", "22");
    world.clock.advance(std::chrono::seconds(3));
    EXPECT_EQ(world.input_of(*prices, "my/model"), 22'000'000);
}

TEST(Prices, a_broken_file_at_start_is_an_error) {
    World world;
    const auto missing = Prices::open(world.options(), world.clock);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr(world.path));
    std::ofstream(world.path) << R"({"version": "v", "prices": {"a/x": {}}})";
    const auto broken = Prices::open(world.options(), world.clock);
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().message, HasSubstr("a/x"));
}

}  // namespace
}  // namespace tertulia::billing
