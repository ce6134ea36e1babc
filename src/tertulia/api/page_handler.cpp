#include "tertulia/api/page_handler.h"

#include "tertulia/base/crypto.h"

namespace tertulia::api {

extern const std::string_view page_html;

namespace {

// `'sha256-...'` of each such element's text.
std::string hashes_of(std::string_view html, std::string_view element) {
    const std::string opening = '<' + std::string(element) + '>', closing = "</" + std::string(element) + '>';
    std::string hashes;
    for (std::size_t at = 0; (at = html.find(opening, at)) != std::string_view::npos;) {
        at += opening.size();
        const std::size_t end = html.find(closing, at);
        hashes += " 'sha256-" + base::sha256_base64(html.substr(at, end - at)) + '\'';
    }
    return hashes.empty() ? " 'none'" : hashes;
}

}  // namespace

std::string content_security_policy(std::string_view html) {
    return "default-src 'none'; script-src" + hashes_of(html, "script") + "; style-src" + hashes_of(html, "style") +
           "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

PageHandler::PageHandler()
    : policy_(content_security_policy(page_html)), etag_('"' + base::sha256_hex(page_html).substr(0, 32) + '"') {}

async::Task<void> PageHandler::page(http::Request& request, http::ResponseWriter& writer) {
    const bool known = request.headers.get("if-none-match").find(etag_) != std::string_view::npos;
    http::Response response;
    response.status = known ? 304 : 200;
    if (!known) {
        response.content_type = "text/html; charset=utf-8";
        response.body = page_html;
        response.headers.add("content-security-policy", policy_);
        response.headers.add("x-content-type-options", "nosniff");
        response.headers.add("referrer-policy", "no-referrer");
    }
    response.headers.add("cache-control", "no-cache");
    response.headers.add("etag", etag_);
    co_await writer.respond(std::move(response));
}

}  // namespace tertulia::api
