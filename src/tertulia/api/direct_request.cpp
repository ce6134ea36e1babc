#include "tertulia/api/direct_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "tertulia/api/content_request.h"
#include "tertulia/api/once_key.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Result;
using Kind = DirectRequest::Kind;

constexpr std::size_t most_messages = 1000;
constexpr std::array<std::string_view, 4> call_members{"model", "system", "max_tokens", "temperature"};

std::unexpected<base::Error> wrong(std::string message) {
    return base::fail(base::Errc::invalid_request, std::move(message));
}

// Takes a member out of the object; null where it is not there.
json::value take(json::object& object, std::string_view name) {
    const auto found = object.find(name);
    if (found == object.end()) return nullptr;
    json::value value = std::move(found->value());
    object.erase(found);
    return value;
}

Result<chat::Message> read_message(const json::value& value, std::size_t place) {
    const auto misfit = [place](std::string_view what) { return wrong(fmt::format("'messages[{}]' {}", place, what)); };
    if (!value.is_object()) return misfit("must be an object with 'role' and 'content'.");
    const json::object& object = value.get_object();
    for (const json::key_value_pair& member : object)
        if (member.key() != "role" && member.key() != "content")
            return misfit(
                fmt::format("has an unknown field '{}'.", base::cut_utf8(std::string_view(member.key()), 64)));
    const json::value* role = object.if_contains("role");
    const auto known =
        role && role->is_string() ? chat::parse_role(std::string_view(role->get_string())) : std::nullopt;
    if (!known) return misfit("must have the 'role' \"user\" or \"assistant\".");
    chat::Message message{.role = *known, .content = {}};
    const json::value* content = object.if_contains("content");
    if (content && content->is_string()) {
        const std::string_view text(content->get_string());
        if (chat::is_blank(text)) return misfit("has no text in its 'content'.");
        message.content = {chat::Text{std::string(text)}};
        return message;
    }
    if (!content) return misfit("must have 'content': a text, or a list of blocks.");
    auto blocks = read_content(*content);
    if (!blocks) return misfit(fmt::format(": {}", blocks.error().message));
    message.content = *std::move(blocks);
    return message;
}

Result<std::vector<chat::Message>> read_messages(const json::value& value) {
    if (!value.is_array() || value.get_array().empty() || value.get_array().size() > most_messages)
        return wrong(fmt::format("'messages' must be a list of 1 to {} messages.", most_messages));
    std::vector<chat::Message> messages;
    for (const json::value& one : value.get_array()) {
        auto message = read_message(one, messages.size());
        if (!message) return std::unexpected(message.error());
        messages.push_back(*std::move(message));
    }
    if (messages.back().role != chat::Role::user) return wrong("The last of 'messages' must be the user's.");
    return messages;
}

Result<sessions::DirectQuestion> read_question(json::object object) {
    auto messages = read_messages(take(object, "messages"));
    if (!messages) return std::unexpected(messages.error());
    for (const json::key_value_pair& member : object)
        if (std::ranges::find(call_members, std::string_view(member.key())) == call_members.end())
            return wrong(fmt::format("Unknown field '{}' for the kind 'model.call'; the known ones are messages, {}.",
                                     base::cut_utf8(std::string_view(member.key()), 64),
                                     fmt::join(call_members, ", ")));
    ChatRequest settings;
    if (auto read = read_chat_members(object, settings); !read) return std::unexpected(read.error());
    return sessions::DirectQuestion{.model = settings.turn.model.value_or(""),
                                    .system = settings.turn.system.value_or(""),
                                    .messages = *std::move(messages),
                                    .max_tokens = settings.turn.max_tokens,
                                    .temperature = settings.turn.temperature};
}

Result<ChatRequest> read_turn(json::object object) {
    const json::value key = take(object, "idempotency_key");
    auto chat = read_chat_request(object);
    if (!chat) return chat;
    chat->turn.stream = false;
    if (key.is_null()) return chat;
    if (!key.is_string()) return wrong("'idempotency_key' must be a string.");
    if (auto set = set_once_key(std::string_view(key.get_string()), object, chat->turn); !set)
        return std::unexpected(set.error());
    return chat;
}

}  // namespace

Result<DirectRequest> read_direct_request(json::object object) {
    const json::value kind = take(object, "kind");
    const std::string_view name = kind.is_string() ? std::string_view(kind.get_string()) : std::string_view();
    DirectRequest request;
    if (name == "chat.turn") {
        auto chat = read_turn(std::move(object));
        if (!chat) return std::unexpected(chat.error());
        request.chat = *std::move(chat);
        return request;
    }
    if (name != "model.call") return wrong("'kind' must be \"chat.turn\" or \"model.call\".");
    request.kind = Kind::model_call;
    auto question = read_question(std::move(object));
    if (!question) return std::unexpected(question.error());
    request.question = *std::move(question);
    return request;
}

}  // namespace tertulia::api
