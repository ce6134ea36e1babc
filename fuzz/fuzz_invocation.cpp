// An event that is no HTTP request: whatever JSON comes in is a message, a call or work of our own, or an error that
// says why not; what the function sends to itself comes back as it was, and a secret that AWS gives is a key or is told
// of without being shown.
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tertulia/api/direct_request.h"
#include "tertulia/aws/secret_reference.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/lambda/self_invocation.h"
#include "tertulia/lambda/socket_event.h"

namespace {

using namespace tertulia;

void require(bool holds) {
    if (!holds) std::abort();
}

void require_error(const base::Error& error, base::Errc code) {
    require(error.code == code && !error.message.empty());
    require(base::find_invalid_utf8(error.message) == std::string::npos);
}

void try_socket_event(const boost::json::object& event) {
    const auto read = lambda::read_socket_event(event);
    if (!read) return require_error(read.error(), base::Errc::invalid_request);
    require(!read->client.connection_id.empty());
    require(base::find_invalid_utf8(read->message) == std::string::npos);
    require(read->type == lambda::SocketEvent::Type::message || read->message.empty());
    const auto url = aws::connections_url({}, read->client.stage, "eu-west-1");
    require(!url || (url->tls && url->host.find('@') == std::string::npos));
}

void try_self_invocation(const boost::json::object& event) {
    const auto read = lambda::read_self_invocation(event);
    if (!read) return require_error(read.error(), base::Errc::invalid_request);
    const auto written = base::parse_json(lambda::write_self_invocation(*read));
    require(written.has_value());
    const auto again = lambda::read_self_invocation(written->get_object());
    require(again && again->kind == read->kind && again->client == read->client);
    if (read->kind == lambda::SelfInvocation::Kind::socket)
        require(again->message == read->message && again->message_id == read->message_id);
    else
        require(again->turn.turn_id == read->turn.turn_id && again->after == read->after);
}

void try_direct_request(const boost::json::object& event) {
    const auto read = api::read_direct_request(event);
    if (!read) return require_error(read.error(), base::Errc::invalid_request);
    const bool is_turn = read->kind == api::DirectRequest::Kind::chat_turn;
    require(is_turn != read->chat.turn.content.empty() && is_turn == read->question.messages.empty());
    require(is_turn || read->question.messages.back().role == chat::Role::user);
}

void try_secret(std::string_view text) {
    for (const char* form : {"secret:a", "parameter:b"}) {
        const auto secret = aws::read_secret_answer(*aws::parse_secret_reference(form), text, "KEY");
        if (!secret)
            require_error(secret.error(), base::Errc::upstream_rejected);
        else
            require(!secret->empty() && secret->reveal().find_first_of(" \r\n\t") == std::string::npos);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try_secret(text);
    const auto how = base::parse_json(lambda::how_to_answer(text));
    require(how && how->is_object());
    const auto event = base::parse_json(text);
    if (!event || !event->is_object()) return 0;
    try_socket_event(event->get_object());
    try_self_invocation(event->get_object());
    try_direct_request(event->get_object());
    return 0;
}
