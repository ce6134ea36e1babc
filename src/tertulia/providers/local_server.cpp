#include "tertulia/providers/local_server.h"

#include <string>
#include <utility>

#include "tertulia/providers/json_reading.h"
#include "tertulia/providers/provider_client.h"

namespace tertulia::providers {
namespace {

constexpr std::size_t max_models_body = std::size_t(1) << 20;

}  // namespace

async::Task<base::Result<bool>> is_healthy(http::Client& client, http::Url url, base::Deadline deadline) {
    base::Result<std::unique_ptr<http::ClientResponse>> sent =
        co_await client.send({.url = std::move(url), .method = "GET"}, {}, deadline);
    if (!sent) co_return std::unexpected(std::move(sent.error()));
    co_return (*sent)->status == 200;
}

async::Task<std::optional<std::int64_t>> ask_context_window(http::Client& client, http::Url base_url,
                                                            base::Deadline deadline) {
    base::Result<std::unique_ptr<http::ClientResponse>> sent =
        co_await client.send({.url = append_path(std::move(base_url), "/models"), .method = "GET"}, {}, deadline);
    if (!sent || (*sent)->status != 200) co_return std::nullopt;
    std::string body;
    for (;;) {
        const base::Result<std::string_view> bytes = co_await (*sent)->read(deadline);
        if (!bytes || body.size() + bytes->size() > max_models_body) co_return std::nullopt;
        if (bytes->empty()) break;
        body += *bytes;
    }
    co_return parse_context_window(body);
}

std::optional<std::int64_t> parse_context_window(std::string_view models_json) {
    dom::parser parser;
    dom::element root;
    dom::object model;
    if (parser.parse(models_json.data(), models_json.size(), true).get(root) != simdjson::SUCCESS ||
        root.at_pointer("/data/0").get(model) != simdjson::SUCCESS)
        return std::nullopt;
    const auto meta = object_in(model, "meta");
    const auto window = meta ? count_in(*meta, "n_ctx") : std::nullopt;
    return window && *window > 0 ? window : std::nullopt;
}

}  // namespace tertulia::providers
