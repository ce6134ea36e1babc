#include "tertulia/chat/repair.h"

#include <gtest/gtest.h>

#include <boost/json/value.hpp>
#include <random>
#include <set>
#include <string>

#include "tertulia/base/json.h"

namespace tertulia::chat {
namespace {

using Messages = std::vector<Message>;

Message user(std::vector<ContentBlock> content) {
    return {.role = Role::user, .content = std::move(content)};
}

Message assistant(std::vector<ContentBlock> content) {
    return {.role = Role::assistant, .content = std::move(content)};
}

ToolCall call(std::string id, std::string arguments = "{}") {
    return {.id = std::move(id), .name = "f", .arguments = std::move(arguments)};
}

ToolResult result(std::string id, std::string text = "ok") {
    return {.call_id = std::move(id), .content = {Text{std::move(text)}}};
}

const ToolResult abandoned(std::string id) {
    return {.call_id = std::move(id),
            .content = {Text{"The tool was not run: the application gave no result for this call."}},
            .is_error = true};
}

const Text orphan{"[Result of a tool call that is not shown:]"};

Messages repaired(Messages messages) {
    repair_history(messages);
    return messages;
}

TEST(RepairHistory, LeavesAHistoryThatIsInOrderAsItIs) {
    const Messages messages{
        user({Text{"q"}, Image{.media_type = "image/png", .base64 = "AAAA", .url = {}}}),
        assistant({Thinking{"hm", "s", "m"}, Text{"Let me see."}, call("a"), call("b")}),
        user({result("a"), result("b"), Text{"and?"}}),
        assistant({Text{"So."}}),
        user({Text{"thanks"}}),
    };
    EXPECT_EQ(repaired(messages), messages);
}

struct Case {
    const char* what;
    Messages given;
    Messages wanted;
};

TEST(RepairHistory, Heals) {
    const Case cases[] = {
        {"nothing", {}, {}},
        {"an answer at the beginning", {assistant({Text{"a"}}), user({Text{"q"}})}, {user({Text{"q"}})}},
        {"two messages of one role",
         {user({Text{"q"}}), user({Text{"r"}}), assistant({Text{"a"}}), assistant({Text{"b"}})},
         {user({Text{"q"}, Text{"r"}}), assistant({Text{"a"}, Text{"b"}})}},
        {"blank texts",
         {user({Text{" \n"}, Text{"q"}}), assistant({Text{""}}), user({Text{"r"}})},
         {user({Text{"q"}, Text{"r"}})}},
        {"an answer of thinking alone",
         {user({Text{"q"}}), assistant({Thinking{"hm", "s", "m"}}), user({Text{"r"}})},
         {user({Text{"q"}, Text{"r"}})}},
        {"blocks of the other role",
         {user({Text{"q"}, call("x"), Thinking{"t", "", ""}}), assistant({Text{"a"}, Image{}, result("x")})},
         {user({Text{"q"}}), assistant({Text{"a"}})}},
        {"a call without its result",
         {user({Text{"q"}}), assistant({Text{"a"}, call("x")}), user({Text{"never mind"}})},
         {user({Text{"q"}}), assistant({Text{"a"}, call("x")}), user({abandoned("x"), Text{"never mind"}})}},
        {"a call at the end",
         {user({Text{"q"}}), assistant({call("x")})},
         {user({Text{"q"}}), assistant({call("x")}), user({abandoned("x")})}},
        {"one result of two, out of its place",
         {user({Text{"q"}}), assistant({call("x"), call("y")}), user({Text{"so"}, result("y")})},
         {user({Text{"q"}}), assistant({call("x"), call("y")}), user({abandoned("x"), result("y"), Text{"so"}})}},
        {"a result without its call",
         {user({result("x", "42")}), assistant({Text{"a"}})},
         {user({orphan, Text{"42"}}), assistant({Text{"a"}})}},
        {"a result that comes too late, and one given twice",
         {user({Text{"q"}}), assistant({call("x")}), user({result("x", "1"), result("x", "2")}), assistant({Text{"a"}}),
          user({result("x", "3")})},
         {user({Text{"q"}}), assistant({call("x")}), user({result("x", "1"), orphan, Text{"2"}}),
          assistant({Text{"a"}}), user({orphan, Text{"3"}})}},
        {"a result without anything in it",
         {user({Text{"q"}}), assistant({call("x")}), user({ToolResult{.call_id = "x", .content = {Text{" "}}}})},
         {user({Text{"q"}}), assistant({call("x")}), user({result("x", "(no output)")})}},
        {"arguments that are no object",
         {user({Text{"q"}}), assistant({call("x", "{\"a\":")}), user({result("x")})},
         {user({Text{"q"}}), assistant({call("x", R"({"invalid_arguments":"{\"a\":"})")}), user({result("x")})}},
        {"ids that others would refuse, or that come twice",
         {user({Text{"q"}}), assistant({call("functions.f:0"), call("x"), call("x")}),
          user({result("x", "1"), result("functions.f:0", "0"), result("x", "2")})},
         {user({Text{"q"}}), assistant({call("call_1"), call("x"), call("call_3")}),
          user({result("call_1", "0"), result("x", "1"), result("call_3", "2")})}},
        {"names that others would refuse",
         {user({Text{"q"}}), assistant({ToolCall{.id = "x", .name = "get weather!", .arguments = "{}"}}),
          user({result("x")})},
         {user({Text{"q"}}), assistant({ToolCall{.id = "x", .name = "get_weather_", .arguments = "{}"}}),
          user({result("x")})}},
        {"the beginning of an answer stays the last",
         {user({Text{"q"}}), assistant({Text{"half an"}})},
         {user({Text{"q"}}), assistant({Text{"half an"}})}},
    };
    for (const Case& one : cases) EXPECT_EQ(repaired(one.given), one.wanted) << one.what;
}

// -- any history -----------------------------------------------------------------------------------------------------

// What the strictest provider would say of it; empty: nothing.
class Checker {
  public:
    std::string check(const Messages& messages) {
        std::vector<std::string> open;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            const Message& message = messages[i];
            if (message.role != (i % 2 == 0 ? Role::user : Role::assistant)) return "roles do not alternate";
            std::size_t place = 0;
            std::vector<std::string> calls;
            bool sees_anything = false;
            for (const ContentBlock& block : message.content) {
                if (const auto* found = std::get_if<ToolResult>(&block)) {
                    if (message.role != Role::user) return "a result of the assistant's";
                    if (place >= open.size() || open[place] != found->call_id) return "a result without its call";
                    if (found->content.empty()) return "an empty result";
                    ++place;
                } else if (place < open.size()) {
                    return "something before the results";
                }
                if (const auto* text = std::get_if<Text>(&block))
                    if (is_blank(text->text)) return "a blank text";
                const bool is_media = std::holds_alternative<Image>(block) || std::holds_alternative<Document>(block);
                if (is_media && message.role != Role::user) return "an image of the assistant's";
                const bool is_opaque = std::holds_alternative<Thinking>(block) || std::holds_alternative<Native>(block);
                if (is_opaque && message.role == Role::user) return "thinking of the user's";
                sees_anything = sees_anything || !is_opaque;
                if (const auto* made = std::get_if<ToolCall>(&block)) {
                    if (message.role == Role::user) return "a call of the user's";
                    if (!ids_.insert(made->id).second) return "an id twice";
                    if (made->id.empty() || made->id.size() > 40) return "an id too long, or none";
                    for (const char c : made->id + made->name)
                        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') return "an odd word";
                    if (made->name.empty() || made->name.size() > 64) return "a name too long, or none";
                    const auto parsed = base::parse_json(made->arguments);
                    if (!parsed || !parsed->is_object()) return "arguments that are no object";
                    calls.push_back(made->id);
                }
            }
            if (!sees_anything) return "a message without anything";
            if (place < open.size()) return "a call without its result";
            open = std::move(calls);
        }
        return open.empty() ? "" : "a call at the end";
    }

  private:
    std::set<std::string> ids_;
};

ContentBlock any_block(std::mt19937& random) {
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    const std::string ids[] = {"", "a", "b", "c", "call_1", "call_2", "x.y:0", std::string(70, 'z')};
    const std::string texts[] = {"", " ", "word", "two words"};
    const std::string names[] = {"", "f", "get weather", std::string(80, 'n'), "\xc3\xa9"};
    const std::string arguments[] = {"{}", "", "[1]", "{\"a\":1}", "{\"a\":"};
    switch (pick(7)) {
        case 0:
        case 1:
            return Text{texts[pick(3)]};
        case 2:
            return Thinking{texts[pick(3)], "s", "m"};
        case 3:
            return ToolCall{.id = ids[pick(7)], .name = names[pick(4)], .arguments = arguments[pick(4)]};
        case 4:
            return Native{"{}", "m"};
        case 5:
            return Image{.media_type = "image/png", .base64 = "AAAA", .url = {}};
        case 6:
            return Document{.media_type = "text/plain", .base64 = "AAAA", .url = {}, .name = "n"};
        default: {
            ToolResult made{.call_id = ids[pick(7)], .content = {}};
            for (int parts = pick(2); parts-- > 0;) made.content.emplace_back(Text{texts[pick(3)]});
            return made;
        }
    }
}

TEST(RepairHistory, AnyHistoryComesOutInOrderAndStaysSo) {
    std::mt19937 random(11);
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    for (int round = 0; round < 20'000; ++round) {
        Messages messages;
        for (int count = pick(8); count-- > 0;) {
            Message message{.role = pick(1) == 0 ? Role::user : Role::assistant, .content = {}};
            for (int blocks = pick(5); blocks-- > 0;) message.content.push_back(any_block(random));
            messages.push_back(std::move(message));
        }
        const Messages once = repaired(messages);
        ASSERT_EQ(Checker().check(once), "") << "round " << round;
        ASSERT_EQ(repaired(once), once) << "round " << round;
    }
}

}  // namespace
}  // namespace tertulia::chat
