// The body of `POST /chat`: whatever comes in is a request within its limits, or an error that says what to do.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tertulia/api/chat_request.h"
#include "tertulia/base/json.h"
#include "tertulia/base/random.h"
#include "tertulia/base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto request = tertulia::api::parse_chat_request({reinterpret_cast<const char*>(data), size}, {});
    const auto require = [](bool holds) {
        if (!holds) std::abort();
    };
    if (!request) {
        require(request.error().code == tertulia::base::Errc::invalid_request && !request.error().message.empty());
        return 0;
    }
    require(!request->turn.content.empty());
    for (const tertulia::chat::ContentBlock& block : request->turn.content)
        if (const auto* text = std::get_if<tertulia::chat::Text>(&block)) {
            require(!tertulia::chat::is_blank(text->text));
            require(tertulia::base::find_invalid_utf8(text->text) == std::string_view::npos);
        }
    require(request->turn.session_id.empty() || tertulia::base::is_session_id(request->turn.session_id));
    require(request->turn.metadata.size() <= 4096);
    require(request->turn.metadata.empty() || tertulia::base::parse_json(request->turn.metadata).has_value());
    return 0;
}
