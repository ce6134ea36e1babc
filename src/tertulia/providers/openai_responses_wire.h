// OpenAI's Responses API, without any I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/secret.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/openai_server.h"
#include "tertulia/providers/wire_reader.h"

namespace tertulia::providers {

/// The provider kind: the maker of its native blocks.
inline constexpr std::string_view openai_responses_kind = "openai-responses";

/// Does this model reason, by its name? To all others reasoning may neither be sent back nor asked for (400).
bool openai_model_reasons(std::string_view model);

/// Would the body hold items that another account, or another server of this API, cannot take (encrypted reasoning)?
bool replays_native(const models::ModelRequest& request);

/// The JSON body of `POST {base_url}/responses`. The server stores nothing: all that was said is sent each time, and
/// reasoning comes and goes encrypted, as items that are kept whole. `with_native`: send those back (a reasoning item
/// that nothing follows is left out, as the API wants it). Of `request`, `stop` has no place here; a `max_tokens` below
/// 16 is sent as 16, the API's least. Items come in the same bytes in each request of a session.
std::string build_openai_responses_body(const models::ModelRequest& request, const OpenAiServer& server,
                                        bool with_native);

/// Reads an answer of the Responses API: text, refusals, reasoning (its summary, or what a model shows of it) as
/// thinking, tool calls; encrypted reasoning and output items of all other types whole, as Kind::native. Events are
/// told by their `type`, and those not known are skipped. Terminal are `response.completed` and `response.incomplete`;
/// `response.failed` and `error` are failures wherever they come. Items of which no parts came before are read where
/// they end. One per worker.
class OpenAiResponsesReader : public WireReader {
  public:
    /// `key` is made `***` in error texts.
    OpenAiResponsesReader(std::string_view content_type, base::Secret key) : WireReader(content_type, std::move(key)) {}

  private:
    using Kind = chat::AnswerEvents::Kind;

    models::Attempt<void> read_event(const simdjson::dom::element& event, chat::AnswerEvents& into) override;
    models::Attempt<void> read_done(chat::AnswerEvents& into) override;
    models::Attempt<void> read_end(chat::AnswerEvents& into) override;
    models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) override;

    models::Attempt<void> read_response(const simdjson::dom::element& response, std::string_view status,
                                        chat::AnswerEvents& into);
    bool read_delta(std::string_view type, const simdjson::dom::element& event, chat::AnswerEvents& into);
    void begin_call(std::uint32_t item, const simdjson::dom::element& call, chat::AnswerEvents& into);
    void read_item(std::uint32_t item, const simdjson::dom::element& value, chat::AnswerEvents& into);
    void read_parts(std::uint32_t item, const simdjson::dom::element& value, std::string_view member,
                    chat::AnswerEvents& into);
    void add(Kind kind, std::uint32_t block, std::string_view text, chat::AnswerEvents& into);
    bool is_given(std::uint32_t block) const;

    std::vector<std::uint32_t> given_;  // blocks of which parts came
    std::vector<std::uint32_t> calls_;  // tool calls that began
    bool has_items_ = false;
};

}  // namespace tertulia::providers
