// OpenAI's Chat Completions API and everything that speaks its dialect, without any I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/secret.h"
#include "tertulia/models/provider.h"
#include "tertulia/providers/openai_server.h"
#include "tertulia/providers/wire_reader.h"

namespace tertulia::providers {

/// The provider kind.
inline constexpr std::string_view openai_chat_kind = "openai-chat";

/// The JSON body of `POST {base_url}/chat/completions`. Tools' results become messages of the role `tool`, which hold
/// text alone: images in them go into the user's message behind. Thinking and native blocks are not sent. A message of
/// nothing but text is a string, and messages come in the same bytes in each request of a session. A stream is asked to
/// report its usage.
std::string build_openai_chat_body(const models::ModelRequest& request, const OpenAiServer& server);

/// Reads an answer of the Chat Completions API: of several choices the one with index 0 (whole answers: the lowest).
/// The terminal event of a stream is `[DONE]`; where that is missing, a `finish_reason` suffices. The stream is read on
/// after the finish_reason, since the usage comes behind it. `reasoning_content` and `reasoning` (DeepSeek, vLLM,
/// OpenRouter and others) are thinking. One per worker.
class OpenAiChatReader : public WireReader {
  public:
    /// `key` is made `***` in error texts.
    OpenAiChatReader(std::string_view content_type, base::Secret key) : WireReader(content_type, std::move(key)) {}

  private:
    struct Call {
        std::int64_t index;
        std::string id;
        std::uint32_t block;
    };

    bool may_end() const override { return stop_reason_ && !goes_on_; }
    models::Attempt<void> read_event(const simdjson::dom::element& event, chat::AnswerEvents& into) override;
    models::Attempt<void> read_done(chat::AnswerEvents& into) override;
    models::Attempt<void> read_end(chat::AnswerEvents& into) override;
    models::Attempt<void> read_whole(const simdjson::dom::element& body, chat::AnswerEvents& into) override;

    // A message or a part of one: they have the same members.
    void read_message(const simdjson::dom::element& message, chat::AnswerEvents& into);
    void read_call(std::int64_t index, std::string_view id, const simdjson::dom::element& function,
                   chat::AnswerEvents& into);

    std::vector<Call> calls_;
    std::optional<chat::StopReason> stop_reason_;
    bool goes_on_ = false;  // behind a finish_reason, which then says nothing of the end
};

}  // namespace tertulia::providers
