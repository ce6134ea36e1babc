// Anthropic's Messages API, without any I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/wire_reader.h"

namespace tertulia::providers {

/// The provider kind: the maker of its thinking and native blocks.
inline constexpr std::string_view anthropic_kind = "anthropic-messages";

/// API versions, as sent in `anthropic-version`. The newer one takes the key as a bearer token and no sampling
/// parameters; every recording in the tests shows the older one.
inline constexpr std::string_view anthropic_version_2023 = "2023-06-01";
inline constexpr std::string_view anthropic_version_2026 = "2026-10-21";

/// Does this version still take `temperature`? (Dates compare as strings.)
bool anthropic_takes_temperature(std::string_view api_version);

/// The JSON body of `POST /v1/messages`. Thinking blocks go back with their signature, and native blocks, only where
/// `anthropic_kind` made them; text of white space alone, which the API refuses, is left out. Prompt caches may end
/// behind the tools, the system text and the stable history (`cache_control`, at most four). A `max_tokens` of 0 is
/// sent as 4096: the API wants one.
std::string build_anthropic_body(const models::ModelRequest& request, std::string_view api_version);

http::Headers anthropic_headers(const base::Secret& key, std::string_view api_version);

/// Reads an answer of the Messages API (docs.claude.com, "Streaming Messages"): text, thinking, tool calls, blocks of
/// kinds not known here whole (Kind::native), usage (cumulative: fields that are there replace earlier ones), errors in
/// mid-stream; unknown events and deltas are skipped. Where `message_stop` is missing, but a stop reason came and the
/// body ended as its framing says, the answer is complete all the same: nothing of it can be missing. A second
/// `message_start` voids what came before (Kind::restart), and is a failure once text was given, which cannot be taken
/// back. One per worker.
class AnthropicReader : public WireReader {
  public:
    /// `key` is made `***` in error texts.
    AnthropicReader(std::string_view content_type, base::Secret key) : WireReader(content_type, std::move(key)) {}

  protected:
    struct Counts {
        std::optional<std::int64_t> input, cache_read, cache_write, cache_write_long, output, thinking;
    };

    /// For a host whose streams come in another form.
    AnthropicReader(std::string_view content_type, base::Secret key, StreamForm form)
        : WireReader(content_type, std::move(key), form) {}

    models::Attempt<void> read_event(const simdjson::dom::element& event, chat::AnswerEvents& into) override;
    models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) override;
    /// Counts from elsewhere, for those that the provider's events have not given.
    void offer_counts(const Counts& counts, chat::AnswerEvents& into);

  private:
    // A block between its start and its stop, where its deltas are not simply passed on.
    struct OpenBlock {
        std::uint32_t index = 0;
        bool is_tool_call = false;
        std::string before_input;  // its JSON up to the value of `input`,
        std::string input;         // that value as the start gave it (empty: there is none),
        std::string after_input;   // and the rest
        std::string input_deltas;
    };

    models::Attempt<void> read_end(chat::AnswerEvents& into) override;

    models::Attempt<void> start_message(const simdjson::dom::element& message, chat::AnswerEvents& into);
    models::Attempt<void> read_delta(std::uint32_t index, const simdjson::dom::element& delta,
                                     chat::AnswerEvents& into);
    void start_block(std::uint32_t index, const simdjson::dom::element& block, chat::AnswerEvents& into);
    void stop_block(std::uint32_t index, chat::AnswerEvents& into);
    void finish_blocks(chat::AnswerEvents& into);
    void emit(const OpenBlock& block, chat::AnswerEvents& into);
    void add_text(chat::AnswerEvents::Kind kind, std::uint32_t index, std::string_view text, chat::AnswerEvents& into);
    void read_usage(const simdjson::dom::element& holder, chat::AnswerEvents& into);
    void tell_usage(chat::AnswerEvents& into) const;

    Counts counts_;
    std::vector<OpenBlock> open_;
    std::size_t kept_bytes_ = 0;  // in open_
    std::optional<chat::StopReason> stop_reason_;
    bool started_ = false;
    bool gave_text_ = false;
};

}  // namespace tertulia::providers
