#include "tertulia/api/cors.h"

#include <algorithm>

namespace tertulia::api {

bool Cors::is_preflight(const http::Request& request) const {
    return enabled() && request.method == "OPTIONS" && request.headers.find("origin") &&
           request.headers.find("access-control-request-method");
}

http::Response Cors::preflight() const {
    http::Response response;
    response.status = 204;
    response.headers.add("access-control-allow-methods", "GET, POST, DELETE");
    response.headers.add(
        "access-control-allow-headers",
        "authorization, content-type, idempotency-key, last-event-id, prefer, x-stainless-retry-count");
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
                "x-request-id, retry-after, retry-after-ms, x-should-retry, idempotency-replayed, location, "
                "preference-applied");
}

}  // namespace tertulia::api
