// The request parser gives the same requests for the same bytes, whole and cut, and lets nothing malformed through;
// answers of other servers likewise.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/http/request_parser.h"
#include "tertulia/http/response_parser.h"

namespace {

using tertulia::http::Headers;
using tertulia::http::RequestParser;
using tertulia::http::ResponseParser;

constexpr tertulia::http::RequestLimits limits{.head = 2048, .fields = 20, .body = 512};

void add(std::vector<std::string>& out, const Headers& headers) {
    for (const auto& [name, value] : headers.fields()) {
        if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) std::abort();
        out.emplace_back(name).append("=").append(value);
    }
}

std::vector<std::string> requests(std::string_view bytes, std::size_t step) {
    RequestParser parser(limits);
    std::vector<std::string> out;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        const std::string copy(bytes.substr(at, step));
        std::string_view piece = copy;
        for (;;) {
            const auto fed = parser.feed(piece);
            if (!fed) {
                out.push_back("refused " + std::to_string(fed.error().status));
                return out;
            }
            if (*fed == RequestParser::Step::need_more) break;
            if (*fed == RequestParser::Step::head) continue;
            const auto request = parser.take();
            if (request.body.size() > limits.body || request.path.find('\0') != std::string::npos) std::abort();
            out.push_back(request.method + " " + request.target + " " + request.path);
            add(out, request.headers);
            out.push_back(request.body);
        }
    }
    return out;
}

std::vector<std::string> response(std::string_view bytes, std::size_t step) {
    ResponseParser parser(false, limits.head);
    std::vector<std::string> out;
    std::string body;
    bool has_head = false;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        const std::string copy(bytes.substr(at, step));
        std::string_view piece = copy;
        if (!has_head) {
            const auto head = parser.feed_head(piece);
            if (!head) return {"broken"};
            if (!*head) continue;
            has_head = true;
            add(out, parser.headers());
        }
        for (;;) {
            const auto part = parser.next_body(piece);
            if (!part) return {"broken"};
            if (part->empty()) break;
            body += *part;
        }
    }
    out.push_back(body);
    out.push_back(parser.end_of_input() ? "whole" : "cut");
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::size_t step = data[0] % 16 + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (requests(bytes, bytes.size() + 1) != requests(bytes, step)) std::abort();
    if (response(bytes, bytes.size() + 1) != response(bytes, step)) std::abort();
    return 0;
}
