#include "tertulia/api/tools_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/value.hpp>

#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using chat::ToolChoice;
using testing::HasSubstr;

TEST(ToolsRequest, reads_tools) {
    const auto value = base::parse_json(R"([
        {"name": "get_weather", "description": "By city.", "input_schema":
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        {"name": "now", "description": null, "input_schema": {}},
        {"name": "odd", "input_schema": {"additionalProperties": false}}])");
    const auto tools = read_tools(*value);
    ASSERT_TRUE(tools.has_value()) << tools.error().message;
    EXPECT_EQ(*tools,
              (std::vector<chat::Tool>{
                  {.name = "get_weather",
                   .description = "By city.",
                   .schema = R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})"},
                  {.name = "now", .description = "", .schema = R"({"type":"object"})"},
                  {.name = "odd", .description = "", .schema = R"({"type":"object","additionalProperties":false})"}}));
}

TEST(ToolsRequest, what_is_wrong_is_said_with_its_place) {
    std::string many = "[";
    for (int i = 0; i < 129; ++i)
        many += (i ? "," : "") + (R"({"name":"t)" + std::to_string(i) + R"(","input_schema":{}})");
    const std::pair<std::string, std::string> cases[] = {
        {"{}", "'tools' must be a list of at most 128 tools"},
        {many + "]", "'tools' must be a list of at most 128 tools"},
        {"[7]", "'tools[0]' must be an object"},
        {R"([{"name":"f","input_schema":{}},{"name":"f","input_schema":{}}])",
         "'tools[1].name' is the name of an earlier"},
        {R"([{"input_schema":{}}])", "'tools[0].name' must have 1 to 64 characters"},
        {R"([{"name":"get weather","input_schema":{}}])", "'tools[0].name' must have"},
        {R"([{"name":")" + std::string(65, 'n') + R"(","input_schema":{}}])", "'tools[0].name' must have"},
        {R"([{"name":"f"}])", "'tools[0].input_schema' must be a JSON schema, an object"},
        {R"([{"name":"f","input_schema":"{}"}])", "'tools[0].input_schema' must be a JSON schema, an object"},
        {R"([{"name":"f","input_schema":{"type":"string"}}])", "'tools[0].input_schema.type' must be \"object\""},
        {R"([{"name":"f","input_schema":{"x":")" + std::string(65536, 'x') + R"("}}])", "65536 bytes"},
        {R"([{"name":"f","input_schema":{},"description":7}])", "'tools[0].description' must be a string"},
        {R"([{"name":"f","input_schema":{},"type":"function"}])", "'tools[0].type' is unknown"},
    };
    for (const auto& [text, part] : cases) {
        const auto tools = read_tools(*base::parse_json(text));
        ASSERT_FALSE(tools.has_value()) << text.substr(0, 200);
        EXPECT_THAT(tools.error().message, HasSubstr(part));
    }
}

TEST(ToolsRequest, reads_a_choice_and_checks_it_against_the_tools) {
    const std::vector<chat::Tool> tools{{.name = "f", .description = "", .schema = "{}"}};
    struct Case {
        const char* text;
        std::optional<ToolChoice> choice;
        bool needs_tools;
    };
    const Case cases[] = {
        {R"("auto")", ToolChoice{.kind = ToolChoice::Kind::automatic, .name = {}}, false},
        {R"("none")", ToolChoice{.kind = ToolChoice::Kind::none, .name = {}}, false},
        {R"("any")", ToolChoice{.kind = ToolChoice::Kind::any, .name = {}}, true},
        {R"({"name":"f"})", ToolChoice{.kind = ToolChoice::Kind::named, .name = "f"}, true},
        {R"("required")", {}, false},
        {R"({"name":"f","type":"tool"})", {}, false},
        {R"({"name":7})", {}, false},
        {"true", {}, false},
    };
    for (const Case& one : cases) {
        const auto choice = read_tool_choice(*base::parse_json(one.text));
        ASSERT_EQ(choice.has_value(), one.choice.has_value()) << one.text;
        if (!choice) continue;
        EXPECT_EQ(*choice, *one.choice);
        EXPECT_TRUE(check_tool_choice(*choice, tools));
        EXPECT_EQ(check_tool_choice(*choice, {}).has_value(), !one.needs_tools) << one.text;
    }
    EXPECT_FALSE(check_tool_choice(ToolChoice{.kind = ToolChoice::Kind::named, .name = "g"}, tools));
    EXPECT_TRUE(check_tool_choice({}, {}));
}

}  // namespace
}  // namespace tertulia::api
