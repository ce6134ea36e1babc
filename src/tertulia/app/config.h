// What can be configured.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/secret.h"

namespace tertulia::app {

/// The key of an AI API: itself, or where AWS keeps it (`secret:ID`, `parameter:NAME`; aws/secret_reference.h). Value.
struct ApiKey {
    base::Secret secret = {};
    std::string reference = {};

    bool empty() const { return secret.empty() && reference.empty(); }
};

/// One AI API. Value.
struct ProviderConfig {
    std::string name = {};
    std::string kind = {};  ///< "anthropic-messages", "openai-chat", ...
    std::string base_url = {};
    ApiKey api_key = {};
    std::string stream = "always";
    std::string api_version = "2023-06-01";
    /// Of Amazon Bedrock.
    std::string region = {};
    /// Where unset, those of `[deadlines]`.
    std::optional<base::Milliseconds> connect_limit = {};
    std::optional<base::Milliseconds> first_token_limit = {};
    std::optional<base::Milliseconds> between_tokens_limit = {};
};

/// A name that stands for several models. Value.
struct RouteConfig {
    std::string name = {};
    std::vector<std::string> targets = {};  ///< `provider/id`, the first choice first
    std::string hedge = "off";
};

/// What the configuration says of one model. Value.
struct ModelConfig {
    std::string name = {};  ///< `provider/id`
    std::int64_t context_window = 0;
};

/// A price of the configuration: dollars per million tokens, as decimal texts; an empty one is missing. Value.
struct PriceConfig {
    std::string model = {};  ///< `provider/id`
    std::string input = {};
    std::string cache_read = {};
    std::string cache_write = {};
    std::string cache_write_long = {};
    std::string output = {};
};

/// A budget of the configuration. Value.
struct BudgetConfig {
    std::string owner = {};    ///< `*`: each; empty: by session
    std::string session = {};  ///< `*`: each; empty: by owner
    std::string per = {};      ///< day, month or session
    std::string usd = {};      ///< dollars, as a decimal text
};

/// Everything that can be configured; what is set here are the defaults. config_keys.h names, explains and checks each.
/// Value.
struct Config {
    std::string listen = "127.0.0.1:8080";
    std::string store = "sqlite:data/tertulia.db";
    std::string model;
    std::string system = "You are a helpful assistant.";
    std::int64_t max_tokens = 4096;
    std::int64_t workers = 0;  ///< 0 only before loading: one for each core
    std::string log_level = "info";
    bool insecure = false;
    base::Secret api_token;
    std::vector<std::string> cors_origins;
    std::string prices_file;
    std::string on_busy = "queue";
    std::string on_disconnect = "finish";

    struct Deadlines {
        base::Milliseconds connect{3'000};
        base::Milliseconds first_token{60'000};
        base::Milliseconds between_tokens{30'000};
        base::Milliseconds turn{600'000};
    } deadlines;

    struct Retry {
        std::int64_t attempts = 3;
        base::Milliseconds base{200};
        base::Milliseconds max{5'000};
        double budget = 0.2;
    } retry;

    struct Breaker {
        std::int64_t failures = 5;
        base::Milliseconds probe{5'000};
    } breaker;

    struct Limits {
        std::int64_t body_bytes = 1'048'576;
        std::int64_t content_bytes = 33'554'432;
        std::int64_t content_memory_bytes = 268'435'456;
        std::int64_t connections = 20'000;
        std::int64_t turns = 20'000;
        std::int64_t queue_per_session = 16;
        base::Milliseconds queue_wait{30'000};
        std::int64_t answer_bytes = 8'388'608;
        std::int64_t log_bytes = 268'435'456;
        base::Milliseconds keep_log{60'000};
        base::Milliseconds heartbeat{10'000};
        base::Milliseconds websocket_idle{120'000};
    } limits;

    struct Checkpoints {
        /// Nothing: as the store asks for it.
        std::optional<base::Milliseconds> interval = {};
        std::int64_t bytes = 4096;
    } checkpoints;

    base::Milliseconds shutdown_grace{10'000};

    /// Where the program is a Lambda function.
    struct Lambda {
        std::string response = "buffered";
        base::Milliseconds margin{2'000};
        std::optional<base::Milliseconds> front_limit;
        std::string self_invoke;
        bool websocket = false;
    } lambda;

    struct LocalModel {
        std::string base_url;
        std::string name;
        std::string health_url;
        std::int64_t context_window = 0;
        base::Milliseconds first_token{300'000};
    } local_model;

    /// All that can be asked, the built-in ones included.
    std::vector<ProviderConfig> providers;
    std::vector<ModelConfig> models;
    std::vector<PriceConfig> prices;
    std::vector<BudgetConfig> budgets;
    std::vector<RouteConfig> routes;
};

/// Where a server listens. Value.
struct ListenAddress {
    std::string host;  ///< an address without brackets, or a name
    std::uint16_t port = 0;

    bool is_loopback() const;
};

/// `HOST:PORT` or `[ADDRESS]:PORT`.
std::optional<ListenAddress> parse_listen(std::string_view text);

}  // namespace tertulia::app
