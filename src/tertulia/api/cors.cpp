#include "tertulia/api/cors.h"

#include <algorithm>

namespace tertulia::api {
namespace {

constexpr std::string_view usual_fields = "authorization, content-type, last-event-id, idempotency-key, prefer";
constexpr std::size_t max_asked_bytes = 1024;

}  // namespace

bool Cors::is_preflight(const http::Request& request) const {
    return enabled() && request.method == "OPTIONS" && request.headers.find("origin") &&
           request.headers.find("access-control-request-method");
}

http::Response Cors::preflight(const http::Request& request) const {
    http::Response response;
    response.status = 204;
    // An allowed origin may send whatever field it likes (the official SDKs have a dozen of their own): those that mean
    // nothing here do no harm.
    const std::string_view asked = request.headers.get("access-control-request-headers");
    response.headers.add("access-control-allow-methods", "GET, POST, DELETE");
    response.headers.add("access-control-allow-headers", asked.empty() || asked.size() > max_asked_bytes
                                                             ? std::string(usual_fields)
                                                             : std::string(asked));
    response.headers.add("access-control-max-age", "600");
    return response;
}

void Cors::add_headers(const http::Request& request, http::Headers& headers) const {
    if (!enabled()) return;
    const bool any = std::ranges::find(origins_, "*") != origins_.end();
    if (!any) headers.add("vary", "origin");  // caches must not give one origin's answer to another
    const std::string* origin = request.headers.find("origin");
    if (!origin || (!any && std::ranges::find(origins_, *origin) == origins_.end())) return;
    headers.add("access-control-allow-origin", any ? "*" : *origin);
    headers.add("access-control-expose-headers",
                "x-request-id, retry-after, retry-after-ms, location, preference-applied, idempotency-replayed, "
                "x-should-retry, server-timing");
}

}  // namespace tertulia::api
