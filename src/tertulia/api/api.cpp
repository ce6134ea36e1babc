#include "tertulia/api/api.h"

#include <set>

#include "tertulia/api/auth.h"
#include "tertulia/api/error_reply.h"

namespace tertulia::api {
namespace {

bool is_probe(std::string_view path) {
    return path == "/healthz" || path == "/readyz";
}

// The page can do nothing without a token: it asks its reader for one.
bool is_open(std::string_view path) {
    return is_probe(path) || path == "/";
}

// Asked every few seconds by machines: not worth a line of the log at its normal level.
bool is_frequent(std::string_view path) {
    return is_probe(path) || path == "/metrics";
}

// A label of the metrics must have few values, and the client chooses the method.
std::string_view method_label(std::string_view method) {
    for (const std::string_view known : {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})
        if (method == known) return known;
    return "other";
}

}  // namespace

Api::Api(Parts parts, ApiSettings settings)
    : parts_(parts),
      settings_(std::move(settings)),
      cors_(settings_.cors_origins),
      chat_(parts.sessions, parts.clock, settings_.chat),
      sessions_(parts.sessions, parts.clock),
      turns_(parts.sessions, parts.clock, settings_.chat.heartbeat),
      sockets_(parts.sessions, parts.clock, settings_.chat, settings_.sockets,
               [&log = parts.log](const std::string& what) { log.error("bug in a socket", {{"what", what}}); }),
      usage_(parts.sessions),
      health_(parts.readiness, parts.metrics) {
    add_routes();
    if (cors_.enabled()) add_preflights();
}

void Api::add_routes() {
    const auto to = [](auto& handlers, auto method) -> http::Handler {
        return [&handlers, method](http::Request& request, http::ResponseWriter& writer) {
            return (handlers.*method)(request, writer);
        };
    };
    router_.add("GET", "/", to(page_, &PageHandler::page));
    router_.add("POST", "/chat", to(chat_, &ChatHandler::chat));
    router_.add("GET", "/sessions", to(sessions_, &SessionHandlers::list));
    router_.add("DELETE", "/sessions/{id}", to(sessions_, &SessionHandlers::remove));
    router_.add("GET", "/sessions/{id}/messages", to(sessions_, &SessionHandlers::messages));
    router_.add("GET", "/sessions/{id}/events", to(turns_, &TurnHandlers::session_events));
    router_.add("GET", "/sessions/{id}/turns/{turn}", to(turns_, &TurnHandlers::show));
    router_.add("GET", "/sessions/{id}/turns/{turn}/events", to(turns_, &TurnHandlers::events));
    router_.add("POST", "/sessions/{id}/turns/{turn}/cancel", to(turns_, &TurnHandlers::cancel));
    router_.add("POST", "/sessions/{id}/turns/{turn}/continue", to(chat_, &ChatHandler::continue_turn));
    router_.add("GET", "/usage", to(usage_, &UsageHandler::usage));
    router_.add("GET", "/ws", to(sockets_, &SocketHandler::open));
    router_.add("GET", "/healthz", to(health_, &HealthHandlers::healthz));
    router_.add("GET", "/readyz", to(health_, &HealthHandlers::readyz));
    router_.add("GET", "/metrics", to(health_, &HealthHandlers::metrics));
    router_.add("GET", "/openapi.json", to(health_, &HealthHandlers::openapi));
}

void Api::add_preflights() {
    std::set<std::string> patterns;
    for (const http::Router::Route& route : router_.routes()) patterns.insert(route.pattern);
    for (const std::string& pattern : patterns)
        router_.add("OPTIONS", pattern,
                    [this](http::Request& request, http::ResponseWriter& writer) -> async::Task<void> {
                        co_await writer.respond(cors_.preflight(request));
                    });
}

void Api::hook_into(http::ServerOptions& options) {
    options.on_error = [this](const base::Error& error, const http::Request* request) {
        return refuse(error, request);
    };
    options.admit = [this](const http::Request& request) { return admit(request); };
    options.gate_body = [this](const http::Request& request) { return gate_body(request); };
    options.decorate = [this](const http::Request& request, http::Response& response) { decorate(request, response); };
    options.on_answered = [this](const http::Request& request, const http::Answered& answered) {
        record(request, answered);
    };
    options.on_bug = [this](const std::string& what) { parts_.log.error("bug in a handler", {{"what", what}}); };
}

base::Result<void> Api::admit(const http::Request& request) const {
    // A request without Host (HTTP/1.0) does not come from a browser.
    const std::string* host = request.headers.find("host");
    if (settings_.check_host && host && !is_loopback_host(*host))
        return base::fail(base::Errc::forbidden,
                          "This server answers only under a loopback name (localhost, 127.0.0.1, [::1]); set api_token "
                          "in its configuration, or start it with --insecure, to use another.");
    if (settings_.api_token.empty() || is_open(request.path) || cors_.is_preflight(request)) return {};
    if (request.path == "/ws") return check_socket_bearer(request, settings_.api_token);
    return check_bearer(request.headers.get("authorization"), settings_.api_token);
}

base::Result<std::string> Api::admit_socket(const http::Request& handshake) const {
    if (auto admitted = admit(handshake); !admitted) return std::unexpected(admitted.error());
    return sockets_.admit(handshake);
}

std::shared_ptr<http::BodyGate> Api::gate_body(const http::Request& request) const {
    const bool is_chat = request.method == "POST" && request.path == "/chat" &&
                         http::is_media_type(request.headers.get("content-type"), "application/json");
    if (!is_chat || !settings_.content.memory) return nullptr;
    return std::make_shared<ContentGate>(settings_.content);
}

http::Response Api::refuse(const base::Error& error, const http::Request* request) {
    if (request) return error_response(error, {.request_id = request->id});
    http::Request unread;
    unread.id = base::make_id('r', parts_.random);
    http::Response response = error_response(error, {.request_id = unread.id});
    decorate(unread, response);
    record(unread, {.status = response.status});
    return response;
}

void Api::decorate(const http::Request& request, http::Response& response) const {
    response.headers.add("x-request-id", request.id);
    if (response.status == 401) response.headers.add("www-authenticate", "Bearer");
    cors_.add_headers(request, response.headers);
}

void Api::record(const http::Request& request, const http::Answered& answered) {
    const std::string_view route = request.route.empty() ? std::string_view("none") : request.route;
    const std::string_view method = method_label(request.method);
    const double seconds = std::chrono::duration<double>(answered.duration).count();
    parts_.metrics.request(route, method, answered.status, seconds);
    const telemetry::Level level = is_frequent(request.path) ? telemetry::Level::debug : telemetry::Level::info;
    if (!parts_.log.enabled(level)) return;
    parts_.log.write(level, "request",
                     {{"request_id", request.id},
                      {"method", method},
                      {"route", route},
                      {"status", answered.status},
                      {"bytes", answered.body_bytes},
                      {"complete", answered.complete},
                      {"ms", seconds * 1000}});
}

}  // namespace tertulia::api
