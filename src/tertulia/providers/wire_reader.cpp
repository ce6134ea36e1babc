#include "tertulia/providers/wire_reader.h"

#include <optional>
#include <utility>

#include "tertulia/base/utf8.h"
#include "tertulia/http/message.h"
#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {
namespace {

// Up to this many bytes of JSON are read with a parser that all answers of the thread share.
constexpr std::size_t small_json = std::size_t(256) << 10;

// simdjson checks the bytes' UTF-8 but lets some lone surrogates written as \uDC00 through, which would become bytes
// that are not UTF-8.
bool has_lone_surrogate(std::string_view json, const simdjson::dom::element& value) {
    if (json.find("\\ud") == std::string_view::npos && json.find("\\uD") == std::string_view::npos) return false;
    return base::find_invalid_utf8(simdjson::minify(value)) != std::string_view::npos;
}

}  // namespace

WireReader::WireReader(std::string_view content_type, base::Secret key, StreamForm form) : key_(std::move(key)) {
    if (form == StreamForm::sse && http::is_media_type(content_type, "text/event-stream"))
        body_.emplace<http::SseParser>();
    else if (form == StreamForm::aws_event_stream && http::is_media_type(content_type, aws::event_stream_type))
        body_.emplace<aws::EventStreamParser>();
}

WireReader::~WireReader() = default;

models::Attempt<void> WireReader::feed(std::string_view bytes, chat::AnswerEvents& into) {
    // What follows the end is nothing to us, but a frame that is broken speaks against those before it.
    if (finished_ && !std::holds_alternative<aws::EventStreamParser>(body_)) return {};
    if (auto* sse = std::get_if<http::SseParser>(&body_))
        return feed_stream(*sse, bytes, [&](const http::SseEvent& event) { return take(event.data, into); });
    if (auto* messages = std::get_if<aws::EventStreamParser>(&body_))
        return feed_stream(*messages, bytes,
                           [&](const aws::EventStreamMessage& message) { return read_frame(message, into); });
    std::string& body = std::get<std::string>(body_);
    if (body.size() + bytes.size() > max_body) return broken("The provider's answer is larger than 16 MB.");
    body += bytes;
    return {};
}

template <class Parser, class Read>
models::Attempt<void> WireReader::feed_stream(Parser& parser, std::string_view bytes, Read&& read) {
    std::optional<models::Failure> failure;
    const base::Result<void> fed = parser.feed(bytes, [&](const auto& message) {
        if (failure || finished_) return;
        if (models::Attempt<void> taken = read(message); !taken) failure = std::move(taken.error());
    });
    if (failure) return std::unexpected(std::move(*failure));
    if (!fed && (!finished_ || std::is_same_v<Parser, aws::EventStreamParser>))
        return broken("The provider's stream cannot be read: " + fed.error().message);
    return {};
}

// A parser's memory is 25 KB at least: for each of thousands of slow streams it would be most of what they need, and
// for short answers the allocating costs more than the parsing. Whatever is parsed is read before the next answer comes
// in.
simdjson::dom::parser& WireReader::parser_for(std::size_t bytes) {
    thread_local simdjson::dom::parser shared;
    if (bytes <= small_json) return shared;
    if (!large_parser_) large_parser_ = std::make_unique<simdjson::dom::parser>();
    return *large_parser_;
}

models::Attempt<void> WireReader::parse_object(std::string_view json, simdjson::dom::element& into) {
    // DOM, not on-demand: the whole event is validated, and the parser's copy and memory are used again.
    if (json.empty() ||  // its copy must not be asked for nothing at a null address
        parser_for(json.size()).parse(json.data(), json.size(), true).get(into) != simdjson::SUCCESS ||
        !into.is_object() || has_lone_surrogate(json, into))
        return broken("The provider sent a malformed event.");
    return {};
}

models::Attempt<void> WireReader::take(std::string_view data, chat::AnswerEvents& into) {
    if (data == "[DONE]") return read_done(into);
    simdjson::dom::element event;
    if (models::Attempt<void> parsed = parse_object(data, event); !parsed) return parsed;
    return read_event(event, into);
}

models::Attempt<void> WireReader::read_event(const simdjson::dom::element&, chat::AnswerEvents&) {
    return broken("The provider's answer is a stream of another vendor's form.");
}

models::Attempt<void> WireReader::read_done(chat::AnswerEvents&) {
    return {};
}

models::Attempt<void> WireReader::read_frame(const aws::EventStreamMessage&, chat::AnswerEvents&) {
    return broken("The provider's answer is a stream of another vendor's form.");
}

models::Attempt<void> WireReader::end(bool whole, chat::AnswerEvents& into) {
    is_whole_ = whole;
    if (const auto* messages = std::get_if<aws::EventStreamParser>(&body_)) {
        is_whole_ = whole && messages->is_between_messages();
        if (finished_ && !messages->is_between_messages()) return broken("The provider's last frame is cut off.");
        return finished_ ? models::Attempt<void>() : read_end(into);
    }
    if (finished_) return {};
    if (std::holds_alternative<http::SseParser>(body_)) return read_end(into);
    const std::string& json = std::get<std::string>(body_);
    simdjson::dom::element value;
    if (!whole || parser_for(json.size()).parse(json.data(), json.size(), true).get(value) != simdjson::SUCCESS ||
        !value.is_object() || has_lone_surrogate(json, value))
        return broken("The provider's answer is cut off or is not JSON.");
    return read_whole(value, into);
}

}  // namespace tertulia::providers
