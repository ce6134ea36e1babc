#include "tertulia/http/serving.h"

#include "tertulia/http/request_parser.h"

namespace tertulia::http {
namespace {

// A function of its own: what it needs for a moment is not kept in the frame of a handler that runs for minutes.
[[gnu::noinline]] async::Task<bool> answer_failure(const ServerOptions& options, const Request& request,
                                                   const Router::Match& match, std::string_view problem,
                                                   ResponseWriter& writer) {
    base::Error error{.message = std::string(problem)};
    if (!match.route) {
        error = match.allow.empty()
                    ? base::Error{.code = base::Errc::not_found, .message = "There is nothing at this path."}
                    : base::Error{.code = base::Errc::invalid_request,
                                  .message = "Use one of: " + match.allow + ".",
                                  .title = "Method not allowed",
                                  .status = 405};
    }
    Response response = options.on_error(error, &request);
    if (!match.allow.empty()) response.headers.add("Allow", match.allow);
    return writer.respond(std::move(response));
}

}  // namespace

base::Result<void> admit(const ServerOptions& options, Request& request) {
    request.id = base::make_id('r', *options.random);
    if (!options.admit) return {};
    return options.admit(request);
}

base::Result<void> admit_whole(const ServerOptions& options, Request& request) {
    if (auto admitted = admit(options, request); !admitted) return admitted;
    if (request.body.size() <= options.body_limit) return {};
    if (options.gate_body) request.body_gate = options.gate_body(request);
    const std::size_t limit = request.body_gate ? request.body_gate->limit() : options.body_limit;
    if (request.body.size() > limit) return std::unexpected(body_too_long(limit));
    return request.body_gate->take(request.body);
}

async::Task<bool> serve(const Router& router, const ServerOptions& options, Request& request, ResponseWriter& writer) {
    const Router::Match match = router.find(request);
    std::string_view problem;
    if (match.route) {
        try {
            co_await match.route->handler(request, writer);
            if (!writer.started()) problem = "The request was not answered.";
        } catch (const std::exception& e) {
            if (options.on_bug) options.on_bug(e.what());
            problem = "Something went wrong here. It has been noted.";
        }
        writer.on_close(nullptr);
    }
    const bool is_answered = problem.empty();
    if (!writer.started()) co_await answer_failure(options, request, match, problem, writer);
    co_return is_answered;
}

}  // namespace tertulia::http
