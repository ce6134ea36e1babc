#include "tests/support/store_conformance.h"

#include "tertulia/base/clock.h"

namespace tertulia::tests {

std::vector<std::string> contents(const std::vector<sessions::StoredMessage>& messages) {
    std::vector<std::string> result;
    for (const sessions::StoredMessage& message : messages) result.push_back(message.content);
    return result;
}

std::vector<std::string> ids(const sessions::SessionPage& page) {
    std::vector<std::string> result;
    for (const auto& header : page.sessions) result.push_back(header.session_id);
    return result;
}

std::string at(int second, int microsecond) {
    return base::format_timestamp(base_us + second * 1'000'000LL + microsecond);
}

sessions::TurnStart start_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                             const std::string& content, const std::string& owner) {
    sessions::TurnStart start;
    start.key = {owner, session};
    start.message.role = chat::Role::user;
    start.message.content = content;
    start.message.timestamp = timestamp;
    start.message.created_at = timestamp;
    start.message.turn_id = turn;
    return start;
}

sessions::TurnEnd end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                         const std::string& content, const std::string& owner) {
    sessions::TurnEnd end;
    end.key = {owner, session};
    end.message.role = chat::Role::assistant;
    end.message.content = content;
    end.message.timestamp = timestamp;
    end.message.created_at = timestamp;
    end.message.turn_id = turn;
    end.message.model = "local/model";
    return end;
}

sessions::TurnStart rewrite_of(const std::string& session, const std::string& turn, const std::string& place,
                               const std::string& created_at) {
    sessions::TurnStart start;
    start.key = {"local", session};
    start.rewrites = place;
    start.message.turn_id = turn;
    start.message.created_at = created_at;
    return start;
}

sessions::TurnEnd failed_end_of(const std::string& session, const std::string& turn, const std::string& timestamp,
                                const std::string& content) {
    auto end = end_of(session, turn, timestamp, content);
    end.message.state = sessions::TurnState::failed;
    end.message.events = std::string("\x01\0\xff\x09", 4) + turn;
    end.message.outcome = {.conversation_length = 2,
                           .messages_sent = 1,
                           .ignored = {"seed"},
                           .error = base::Error{.code = base::Errc::timed_out, .message = "too slow"}};
    return end;
}

}  // namespace tertulia::tests
