#include "tertulia/cli/usage_command.h"

#include <fmt/format.h>

#include <optional>
#include <ostream>

#include "tertulia/async/worker.h"
#include "tertulia/base/json.h"
#include "tertulia/cli/usage_table.h"
#include "tertulia/http/client.h"
#include "tertulia/http/percent.h"

namespace tertulia::cli {
namespace {

constexpr std::chrono::seconds answer_limit{60};
constexpr std::size_t body_limit = 64 << 20;

struct Answer {
    int status = 0;
    std::string body;
};

std::string query_of(const UsageOptions& options) {
    std::string query;
    for (const auto& [name, value] :
         {std::pair("group_by", &options.group_by), std::pair("from", &options.from), std::pair("to", &options.to)})
        if (!value->empty())
            query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, http::percent_encode(*value, ",:"));
    return query;
}

// On the worker; the client is destroyed there too.
async::Task<base::Result<Answer>> ask(async::Executor executor, http::ClientRequest request) {
    const base::Deadline deadline = base::Deadline::after(answer_limit);
    http::Client client(executor);
    auto response = co_await client.send(std::move(request), {}, deadline);
    if (!response) co_return std::unexpected(response.error());
    Answer answer{.status = (*response)->status};
    while (true) {
        const auto bytes = co_await (*response)->read(deadline);
        if (!bytes) co_return std::unexpected(bytes.error());
        if (bytes->empty()) break;
        answer.body += *bytes;
        if (answer.body.size() > body_limit)
            co_return base::fail(base::Errc::upstream_rejected, "The server's answer is too long");
    }
    response->reset();
    client.close_idle();
    co_return answer;
}

// What an error's body says, or its status.
std::string reason_of(const Answer& answer) {
    const auto parsed = base::parse_json(answer.body);
    if (parsed && parsed->is_object())
        if (const auto* message = parsed->as_object().if_contains("message"); message && message->is_string())
            return std::string(message->as_string());
    return fmt::format("the server answered with status {}", answer.status);
}

}  // namespace

int run_usage(const UsageOptions& options, std::ostream& out, std::ostream& err) {
    std::string address = options.url;
    while (address.ends_with('/')) address.pop_back();
    auto url = http::parse_url(address + "/usage" + query_of(options));
    if (!url) {
        err << "tertulia usage: --server: " << url.error().message << '\n';
        return 2;
    }
    http::ClientRequest request{.url = *std::move(url), .method = "GET", .headers = {}, .body = {}};
    if (!options.token.empty()) request.headers.add("authorization", "Bearer " + options.token.reveal());

    async::Worker worker([&err](const std::string& what) { err << "tertulia usage: " << what << '\n'; });
    worker.start("usage");
    base::Result<Answer> answer;
    worker.run_until_done(
        [](async::Executor executor, http::ClientRequest asked, base::Result<Answer>& into) -> async::Task<void> {
            into = co_await ask(executor, std::move(asked));
        }(worker.executor(), std::move(request), answer));
    worker.context().stop();
    worker.join();
    if (!answer) {
        err << "tertulia usage: " << answer.error().message << '\n';
        return 1;
    }
    if (answer->status != 200) {
        err << "tertulia usage: " << reason_of(*answer) << '\n';
        return answer->status == 400 ? 2 : 1;
    }
    const auto table = usage_table(answer->body);
    if (!table) {
        err << "tertulia usage: " << table.error().message << '\n';
        return 1;
    }
    out << *table << std::flush;
    return 0;
}

}  // namespace tertulia::cli
