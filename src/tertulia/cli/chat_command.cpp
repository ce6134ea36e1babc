#include "tertulia/cli/chat_command.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <future>
#include <istream>
#include <optional>
#include <ostream>

#include "tertulia/async/worker.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/cli/chat_screen.h"
#include "tertulia/http/client.h"
#include "tertulia/http/sse_parser.h"

namespace tertulia::cli {
namespace {

// A turn has its own deadline in the server, and heartbeats come while it waits; this one is for a server that is gone.
constexpr std::chrono::minutes patience{15};
constexpr std::size_t error_body_limit = 64 * 1024;

std::string request_body(const ChatOptions& options, const std::string& session_id, std::string_view message) {
    std::string body = R"({"stream":true,"message":)";
    base::append_json_string(body, message);
    if (!session_id.empty()) {
        body += R"(,"session_id":)";
        base::append_json_string(body, session_id);
    }
    if (!options.model.empty()) {
        body += R"(,"model":)";
        base::append_json_string(body, options.model);
    }
    return body + '}';
}

async::Task<void> read_events(http::ClientResponse& response, ChatScreen& screen, base::Deadline deadline) {
    http::SseParser parser;
    for (;;) {
        const auto bytes = co_await response.read(deadline);
        if (!bytes || bytes->empty()) co_return;  // the screen knows whether the turn had ended
        const auto fed =
            parser.feed(*bytes, [&](const http::SseEvent& event) { screen.on_event(event.type, event.data); });
        if (!fed) co_return;
    }
}

async::Task<void> read_error(http::ClientResponse& response, ChatScreen& screen, base::Deadline deadline) {
    std::string body;
    while (body.size() < error_body_limit) {
        const auto bytes = co_await response.read(deadline);
        if (!bytes || bytes->empty()) break;
        body += *bytes;
    }
    screen.on_error_body(response.status, body);
}

// One message; true: it was answered.
async::Task<void> take_turn(http::Client& client, http::ClientRequest request, ChatScreen& screen,
                            std::optional<base::Error>& failed) {
    const base::Deadline deadline = base::Deadline::after(patience);
    auto response = co_await client.send(std::move(request), {}, deadline);
    if (!response) {
        failed = response.error();
        co_return;
    }
    if ((*response)->status == 200) {
        co_await read_events(**response, screen, deadline);
    } else {
        co_await read_error(**response, screen, deadline);
    }
}

std::string_view without_blanks(std::string_view line) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    return line;
}

}  // namespace

int run_chat(const ChatOptions& options, std::istream& in, std::ostream& out, std::ostream& err) {
    std::string address = options.url;
    while (address.ends_with('/')) address.pop_back();
    const auto url = http::parse_url(address + "/chat");
    if (!url) {
        err << "tertulia chat: --url: " << url.error().message << '\n';
        return 2;
    }

    async::Worker worker([&err](const std::string& what) { err << "tertulia chat: " << what << '\n'; });
    std::optional<http::Client> client(std::in_place, worker.executor());
    worker.start("chat");
    ChatScreen screen(out, err);
    bool all_answered = true;
    if (options.interactive) out << "Write a message and press Enter; /quit ends.\n";
    for (std::string line;;) {
        if (options.interactive) out << "> " << std::flush;
        if (!std::getline(in, line)) break;
        const std::string_view message = without_blanks(line);
        if (message == "/quit") break;
        if (message.empty()) continue;
        if (base::find_invalid_utf8(message) != std::string_view::npos) {
            err << "error: this line is not UTF-8\n";
            all_answered = false;
            continue;
        }
        const std::string& session = screen.session_id().empty() ? options.session_id : screen.session_id();
        http::ClientRequest request{
            .url = *url, .method = "POST", .headers = {}, .body = request_body(options, session, message)};
        request.headers.add("content-type", "application/json");
        request.headers.add("accept", "text/event-stream");
        if (!options.token.empty()) request.headers.add("authorization", "Bearer " + options.token.reveal());
        screen.begin();
        std::optional<base::Error> failed;
        worker.run_until_done(take_turn(*client, std::move(request), screen, failed));
        if (failed) {
            err << "error: " << failed->message << "\nIs the server running at " << address
                << "? (`./dev run` starts one.)\n";
            all_answered = false;
        } else {
            all_answered = screen.end() && all_answered;
        }
    }
    if (options.interactive) out << '\n';
    const std::string& session = screen.session_id().empty() ? options.session_id : screen.session_id();
    if (!session.empty()) err << fmt::format("session {}; resume with: tertulia chat --session {}\n", session, session);
    // The client's sockets belong to the worker: they are closed there.
    std::promise<void> closed;
    async::asio::post(worker.executor(), [&] {
        client.reset();
        worker.context().stop();
        closed.set_value();
    });
    closed.get_future().wait();
    worker.join();
    return all_answered || options.interactive ? 0 : 1;
}

}  // namespace tertulia::cli
