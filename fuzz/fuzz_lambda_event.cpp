// An event of Lambda: whatever comes in is a request that a server could have read, or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tertulia/base/json.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/percent.h"
#include "tertulia/lambda/answers.h"
#include "tertulia/lambda/events.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tertulia;
    const auto require = [](bool holds) {
        if (!holds) std::abort();
    };
    const auto event = base::parse_json({reinterpret_cast<const char*>(data), size});
    if (!event) return 0;
    (void)lambda::event_shape(*event);
    if (!event->is_object()) return 0;
    (void)lambda::is_function_url(event->get_object());
    (void)lambda::gateway_time_ms(event->get_object());
    for (const lambda::EventShape shape : {lambda::EventShape::rest, lambda::EventShape::http}) {
        const auto request = lambda::read_http_event(shape, event->get_object());
        if (!request) {
            require(request.error().code == base::Errc::invalid_request && !request.error().message.empty());
            continue;
        }
        require(http::is_token(request->method));
        require(request->path.starts_with('/') && request->path.find('\0') == std::string::npos);
        for (const char c : request->target) require(c > 0x20 && c < 0x7f);
        require(http::percent_decode(request->target.substr(0, request->target.find('?'))) == request->path);
        for (const auto& [name, value] : request->headers.fields())
            require(http::is_token(name) && http::is_field_value(value));
        // What came in could go out again.
        http::Response response{.status = 200, .content_type = {}, .headers = request->headers, .body = request->body};
        require(base::parse_json(lambda::answer_json(shape, response)).has_value());
    }
    return 0;
}
