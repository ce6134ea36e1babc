// The common half of every provider's answer reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "tertulia/aws/event_stream.h"
#include "tertulia/base/secret.h"
#include "tertulia/chat/answer_events.h"
#include "tertulia/http/sse_parser.h"
#include "tertulia/models/provider.h"

namespace simdjson::dom {
class element;
class parser;
}  // namespace simdjson::dom

namespace tertulia::providers {

/// The form in which a vendor's streams come.
enum class StreamForm : std::uint8_t {
    sse,               ///< `text/event-stream`, each event's data a JSON object
    aws_event_stream,  ///< `application/vnd.amazon.eventstream`
};

/// Reads the body of an answer with status 200, whose bytes are fed as they come, cut anywhere. It goes by the answer's
/// content type: the vendor's form of stream is read message by message, everything else as one JSON value (collected
/// up to `max_body`). No I/O, no clock. After a failure, or once `finished()`, nothing more is taken from it; but of an
/// AWS event stream the frames behind the end are looked at, since a broken one speaks against those before it. One per
/// worker.
class WireReader {
  public:
    static constexpr std::size_t max_body = std::size_t(16) << 20;

    virtual ~WireReader();

    /// Adds what `bytes` complete to `into`. What stood before a failure in the same bytes is in `into` all the same.
    models::Attempt<void> feed(std::string_view bytes, chat::AnswerEvents& into);

    /// The body ended, or what follows can only be missed (`may_end`). `whole`: as its framing (Content-Length, last
    /// chunk) says. Without the provider's terminal event it is a failure (FailureKind::broken).
    models::Attempt<void> end(bool whole, chat::AnswerEvents& into);

    /// Did the terminal event come?
    bool finished() const { return finished_; }
    /// Is the answer whole, though more of its stream may follow: usage, or an end that this provider may leave out?
    virtual bool may_end() const { return false; }

  protected:
    WireReader(std::string_view content_type, base::Secret key, StreamForm form = StreamForm::sse);

    /// One event of an SSE stream.
    virtual models::Attempt<void> read_event(const simdjson::dom::element& event, chat::AnswerEvents& into);
    /// An event of an SSE stream that says `[DONE]`.
    virtual models::Attempt<void> read_done(chat::AnswerEvents& into);
    /// One message of an AWS event stream.
    virtual models::Attempt<void> read_frame(const aws::EventStreamMessage& message, chat::AnswerEvents& into);
    /// A stream ended without its terminal event; `is_whole()` says whether its framing ended as it should.
    virtual models::Attempt<void> read_end(chat::AnswerEvents& into) = 0;
    /// A whole answer.
    virtual models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) = 0;

    void finish(chat::StopReason reason, chat::AnswerEvents& into) {
        into.finish = reason;
        finished_ = true;
    }
    const base::Secret& key() const { return key_; }
    bool is_whole() const { return is_whole_; }
    /// Parses a message of a stream, a JSON object. `into` is valid until the next is parsed.
    models::Attempt<void> parse_object(std::string_view json, simdjson::dom::element& into);

  private:
    template <class Parser, class Read>
    models::Attempt<void> feed_stream(Parser& parser, std::string_view bytes, Read&& read);
    models::Attempt<void> take(std::string_view data, chat::AnswerEvents& into);
    simdjson::dom::parser& parser_for(std::size_t bytes);

    base::Secret key_;  // made `***` wherever an error text repeats it
    bool finished_ = false;
    bool is_whole_ = false;
    // What has come of a whole answer, or the stream's parser.
    std::variant<std::string, http::SseParser, aws::EventStreamParser> body_;
    std::unique_ptr<simdjson::dom::parser> large_parser_;  // made when it is needed
};

}  // namespace tertulia::providers
