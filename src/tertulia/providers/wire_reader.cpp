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

WireReader::WireReader(std::string_view content_type, base::Secret key)
    : key_(std::move(key)), is_stream_(http::is_media_type(content_type, "text/event-stream")) {}

WireReader::~WireReader() = default;

models::Attempt<void> WireReader::feed(std::string_view bytes, chat::AnswerEvents& into) {
    if (finished_) return {};
    if (!is_stream_) {
        if (body_.size() + bytes.size() > max_body) return broken("The provider's answer is larger than 16 MB.");
        body_ += bytes;
        return {};
    }
    std::optional<models::Failure> failure;
    const base::Result<void> fed = sse_.feed(bytes, [&](const http::SseEvent& event) {
        if (failure || finished_) return;
        if (models::Attempt<void> taken = take(event.data, into); !taken) failure = std::move(taken.error());
    });
    if (failure) return std::unexpected(std::move(*failure));
    if (!fed && !finished_) return broken("The provider sent an event that is too long.");
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

models::Attempt<void> WireReader::take(std::string_view data, chat::AnswerEvents& into) {
    if (data == "[DONE]") return read_done(into);
    // DOM, not on-demand: the whole event is validated, and the parser's copy and memory are used again.
    simdjson::dom::element event;
    if (data.empty() ||  // its copy must not be asked for nothing at a null address
        parser_for(data.size()).parse(data.data(), data.size(), true).get(event) != simdjson::SUCCESS ||
        !event.is_object() || has_lone_surrogate(data, event))
        return broken("The provider sent a malformed event.");
    return read_event(event, into);
}

models::Attempt<void> WireReader::end(bool whole, chat::AnswerEvents& into) {
    if (finished_) return {};
    if (is_stream_) return read_end(into);
    simdjson::dom::element body;
    if (!whole || parser_for(body_.size()).parse(body_.data(), body_.size(), true).get(body) != simdjson::SUCCESS ||
        !body.is_object() || has_lone_surrogate(body_, body))
        return broken("The provider's answer is cut off or is not JSON.");
    return read_whole(body, into);
}

}  // namespace tertulia::providers
