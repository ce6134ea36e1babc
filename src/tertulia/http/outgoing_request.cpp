#include "tertulia/http/outgoing_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

std::unexpected<base::Error> refuse(std::string_view what) {
    return base::fail(base::Errc::invalid_request, fmt::format("The request cannot be sent: {}.", what));
}

base::Result<void> append_fields(std::string& text, const Headers& headers) {
    for (const auto& [name, value] : headers.fields()) {
        if (!is_token(name)) return refuse("the name of a header field is malformed");
        if (!is_field_value(value)) return refuse(fmt::format("the value of the header field {} is malformed", name));
        for (const std::string_view own : {"host", "content-length", "transfer-encoding", "connection"})
            if (equal_ignoring_case(name, own)) return refuse(fmt::format("{} is not the caller's to set", own));
        text.append(name).append(": ").append(value).append("\r\n");
    }
    return {};
}

/// Without the fields that frame the body.
base::Result<std::string> render_head(const ClientRequest& request) {
    const auto visible = [](std::string_view text) {
        return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
    };
    const std::string authority = request.url.authority();
    if (!is_token(request.method)) return refuse("the method is malformed");
    if (!request.url.target.starts_with('/') || !visible(request.url.target)) return refuse("the target is malformed");
    if (request.url.host.empty() || !visible(authority)) return refuse("the host's name is malformed");

    std::string text;
    std::size_t fields = 0;
    for (const auto& [name, value] : request.headers.fields()) fields += name.size() + value.size() + 4;
    text.reserve(96 + request.url.target.size() + authority.size() + fields + request.body.size());
    text.append(request.method)
        .append(" ")
        .append(request.url.target)
        .append(" HTTP/1.1\r\nHost: ")
        .append(authority)
        .append("\r\n");
    if (auto done = append_fields(text, request.headers); !done) return std::unexpected(done.error());
    return text;
}

}  // namespace

base::Result<std::string> render(const ClientRequest& request) {
    auto text = render_head(request);
    if (!text) return text;
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH")
        text->append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    *text += "\r\n";
    *text += request.body;
    return text;
}

base::Result<std::string> render_upload(const ClientRequest& request) {
    auto text = render_head(request);
    if (!text) return text;
    *text += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    if (!request.body.empty()) *text += render_chunk(request.body);
    return text;
}

std::string render_chunk(std::string_view bytes) {
    return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

base::Result<std::string> render_last_chunk(const Headers& trailers) {
    std::string text = "0\r\n";
    if (auto done = append_fields(text, trailers); !done) return std::unexpected(done.error());
    text += "\r\n";
    return text;
}

}  // namespace tertulia::http
