#include "tertulia/chat/repair.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/base/json.h"

namespace tertulia::chat {
namespace {

constexpr std::size_t max_id_bytes = 40, max_name_bytes = 64;
constexpr std::string_view word_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
constexpr std::string_view abandoned = "The tool was not run: the application gave no result for this call.";
constexpr std::string_view orphan_note = "[Result of a tool call that is not shown:]";
constexpr std::string_view nothing = "(no output)";

bool is_word(std::string_view text, std::size_t max_bytes) {
    return !text.empty() && text.size() <= max_bytes &&
           text.find_first_not_of(word_characters) == std::string_view::npos;
}

template <class... Kinds>
bool is_any(const ContentBlock& block) {
    return (std::holds_alternative<Kinds>(block) || ...);
}

// -- each message for itself -----------------------------------------------------------------------------------------

bool belongs(const ContentBlock& block, Role role) {
    if (const auto* text = std::get_if<Text>(&block)) return !is_blank(text->text);
    return role == Role::user ? is_any<Image, Document, ToolResult>(block) : is_any<Thinking, ToolCall, Native>(block);
}

// Does every provider see something in it?
bool says_anything(const Message& message) {
    return std::ranges::any_of(message.content, [](const auto& block) { return !is_any<Thinking, Native>(block); });
}

void clean_call(ToolCall& call) {
    if (!is_word(call.name, max_name_bytes)) {
        call.name.resize(std::min(call.name.size(), max_name_bytes));
        for (char& c : call.name)
            if (!word_characters.contains(c)) c = '_';
        if (call.name.empty()) call.name = "tool";
    }
    const auto arguments = base::parse_json(call.arguments);
    if (arguments && arguments->is_object()) return;
    std::string kept = R"({"invalid_arguments":)";
    base::append_json_string(kept, call.arguments);
    call.arguments = std::move(kept) + '}';
}

void clean_result(ToolResult& result) {
    std::erase_if(result.content, [](const auto& part) {
        const auto* text = std::get_if<Text>(&part);
        return text && is_blank(text->text);
    });
    if (result.content.empty()) result.content.emplace_back(Text{std::string(nothing)});
}

void clean(Message& message) {
    std::erase_if(message.content, [&](const ContentBlock& block) { return !belongs(block, message.role); });
    for (ContentBlock& block : message.content) {
        if (auto* call = std::get_if<ToolCall>(&block)) clean_call(*call);
        if (auto* result = std::get_if<ToolResult>(&block)) clean_result(*result);
    }
}

// -- roles -----------------------------------------------------------------------------------------------------------

void order_roles(std::vector<Message>& messages) {
    std::vector<Message> ordered;
    ordered.reserve(messages.size());
    for (Message& message : messages) {
        if (!says_anything(message)) continue;
        if (ordered.empty() && message.role == Role::assistant) continue;
        if (!ordered.empty() && ordered.back().role == message.role)
            std::ranges::move(message.content, std::back_inserter(ordered.back().content));
        else
            ordered.push_back(std::move(message));
    }
    messages = std::move(ordered);
}

// -- calls and results -----------------------------------------------------------------------------------------------

// The calls of the assistant's latest message, and the ids of all before it.
class CallPairing {
  public:
    void name_calls(Message& answer) {
        for (ContentBlock& block : answer.content) {
            auto* call = std::get_if<ToolCall>(&block);
            if (!call) continue;
            open_.push_back({.given = call->id, .id = {}});
            ++count_;
            if (!is_word(call->id, max_id_bytes) || ids_.contains(call->id)) call->id = new_id();
            ids_.insert(call->id);
            open_.back().id = call->id;
        }
    }

    bool has_open() const { return !open_.empty(); }

    /// Puts the results of the open calls at the beginning of the user's message, in the calls' order.
    void answer_calls(Message& message) {
        std::vector<ContentBlock> rest;
        std::vector<ToolResult> results(open_.size());
        std::vector<bool> found(open_.size());
        for (ContentBlock& block : message.content) {
            auto* result = std::get_if<ToolResult>(&block);
            if (!result) {
                rest.push_back(std::move(block));
                continue;
            }
            std::size_t call = 0;
            while (call < open_.size() && (found[call] || open_[call].given != result->call_id)) ++call;
            if (call == open_.size()) {
                append_as_text(rest, std::move(*result));
            } else {
                results[call] = std::move(*result);
                found[call] = true;
            }
        }
        message.content.clear();
        for (std::size_t call = 0; call < open_.size(); ++call) {
            if (!found[call])
                results[call] = {.call_id = {}, .content = {Text{std::string(abandoned)}}, .is_error = true};
            results[call].call_id = std::move(open_[call].id);
            message.content.emplace_back(std::move(results[call]));
        }
        std::ranges::move(rest, std::back_inserter(message.content));
        open_.clear();
    }

  private:
    struct Open {
        std::string given;  // the id that its maker gave: results bear it
        std::string id;
    };

    std::string new_id() const {
        std::string id;
        for (std::size_t number = count_; id.empty() || ids_.contains(id); ++number)
            id = "call_" + std::to_string(number);
        return id;
    }

    static void append_as_text(std::vector<ContentBlock>& blocks, ToolResult result) {
        blocks.emplace_back(Text{std::string(orphan_note)});
        for (auto& part : result.content) std::visit([&](auto& kind) { blocks.emplace_back(std::move(kind)); }, part);
    }

    std::vector<Open> open_;
    std::set<std::string, std::less<>> ids_;
    std::size_t count_ = 0;
};

void pair_calls(std::vector<Message>& messages) {
    CallPairing pairing;
    for (Message& message : messages) {
        if (message.role == Role::assistant)
            pairing.name_calls(message);
        else
            pairing.answer_calls(message);
    }
    if (!pairing.has_open()) return;
    messages.push_back({.role = Role::user, .content = {}});
    pairing.answer_calls(messages.back());
}

}  // namespace

void repair_history(std::vector<Message>& messages) {
    std::ranges::for_each(messages, clean);
    order_roles(messages);
    pair_calls(messages);
}

}  // namespace tertulia::chat
