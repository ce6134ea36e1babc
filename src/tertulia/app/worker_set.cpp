#include "tertulia/app/worker_set.h"

#include <boost/asio/post.hpp>
#include <future>

#include "tertulia/app/config_loader.h"
#include "tertulia/app/lambda_function.h"
#include "tertulia/app/make_provider.h"
#include "tertulia/app/subscribers.h"

namespace tertulia::app {
namespace {

constexpr std::chrono::seconds closing_time{2};

sessions::SessionSettings session_settings(const Config& config) {
    return {.default_model = config.model,
            .default_system = config.system,
            .max_tokens = config.max_tokens,
            .turn_limit = config.deadlines.turn,
            .queue_limit = config.limits.queue_wait,
            .answer_bytes = static_cast<std::size_t>(config.limits.answer_bytes)};
}

api::ContentLimits content_limits(const SharedParts& shared) {
    const auto& limits = shared.config.limits;
    api::ContentLimits content{.body_bytes = static_cast<std::size_t>(limits.body_bytes),
                               .content_bytes = static_cast<std::size_t>(limits.content_bytes),
                               .memory = {}};
    if (limits.content_bytes > limits.body_bytes) content.memory = shared.content_memory;
    return content;
}

api::ApiSettings api_settings(const SharedParts& shared) {
    const Config& config = shared.config;
    const auto address = parse_listen(config.listen);
    return {.api_token = config.api_token,
            .check_host = address && address->is_loopback() && config.api_token.empty() && !config.insecure,
            .cors_origins = config.cors_origins,
            .chat = {.on_busy = sessions::parse_on_busy(config.on_busy).value_or(sessions::OnBusy::queue),
                     .on_disconnect =
                         sessions::parse_on_disconnect(config.on_disconnect).value_or(sessions::OnDisconnect::finish),
                     .heartbeat = config.limits.heartbeat},
            .content = content_limits(shared),
            .sockets = {.origins = config.cors_origins,
                        .token = config.api_token,
                        .message_limit = static_cast<std::size_t>(config.limits.body_bytes),
                        .idle_limit = config.limits.websocket_idle}};
}

// Runs `what` on the worker's thread and waits for it here.
template <class Function>
void on_worker(async::Worker& worker, Function what) {
    std::promise<void> done;
    boost::asio::post(worker.executor(), [&] {
        what();
        done.set_value();
    });
    done.get_future().wait();
}

}  // namespace

WorkerSet::WorkerSet(SharedParts shared)
    : shared_(shared), worker_([&log = shared.log](const std::string& what) { log.error("bug", {{"what", what}}); }) {
    // Beside what the system trusts: AWS's own name for it, which they set who have an authority of their own.
    client_.emplace(worker_.executor(),
                    http::ClientOptions{.ca_file = std::string(base::variable(shared_.environment, "AWS_CA_BUNDLE"))});
    credential_chain_.emplace(*client_, shared_.clock, shared_.environment);
    credentials_.emplace(shared_.credentials, worker_.executor(), worker_.tasks(), shared_.clock,
                         [this](std::stop_token stop, base::Deadline deadline) {
                             return credential_chain_->fetch(std::move(stop), deadline);
                         });
    models_.emplace();
    sessions_.emplace(sessions::SessionService::Parts{.store = shared_.store,
                                                      .registry = shared_.registry,
                                                      .logs = shared_.logs,
                                                      .keys = shared_.keys,
                                                      .checkpoints = shared_.checkpoints,
                                                      .spending = shared_.spending,
                                                      .models = *models_,
                                                      .limits = shared_.limits,
                                                      .resilience = shared_.resilience,
                                                      .tasks = worker_.tasks(),
                                                      .executor = worker_.executor(),
                                                      .clock = shared_.clock,
                                                      .random = shared_.random,
                                                      .log = shared_.log,
                                                      .metrics = shared_.metrics},
                      session_settings(shared_.config));
    api_.emplace(api::Api::Parts{.sessions = *sessions_,
                                 .readiness = shared_.local_readiness,
                                 .random = shared_.random,
                                 .log = shared_.log,
                                 .metrics = shared_.metrics,
                                 .clock = shared_.clock},
                 api_settings(shared_));
    server_.emplace(worker_.executor(), worker_.tasks(), api_->router(), server_options());
}

WorkerSet::~WorkerSet() = default;

http::ServerOptions WorkerSet::server_options() {
    http::ServerOptions options;
    options.body_limit = static_cast<std::size_t>(shared_.config.limits.body_bytes);
    options.max_connections =
        static_cast<std::size_t>(std::max<std::int64_t>(1, shared_.config.limits.connections / shared_.config.workers));
    options.random = &shared_.random;
    api_->hook_into(options);
    return options;
}

base::Result<void> WorkerSet::add_providers() {
    for (const ProviderConfig& config : shared_.config.providers) {
        auto entry = make_provider(config, {.deadlines = shared_.config.deadlines,
                                            .client = *client_,
                                            .credentials = *credentials_,
                                            .keys = shared_.provider_keys,
                                            .environment = shared_.environment,
                                            .clock = shared_.clock,
                                            .random = shared_.random,
                                            .log = shared_.log});
        if (!entry) return std::unexpected(entry.error());
        if (config.name == "local") entry->readiness = &shared_.local_readiness;
        models_->add(config.name, std::move(*entry));
    }
    models_->set_default_provider(default_provider(shared_.config));
    for (const RouteConfig& route : shared_.config.routes)
        if (auto added = models_->add_route(route.name, route.targets, *models::parse_hedge(route.hedge)); !added)
            return added;
    return {};
}

void WorkerSet::start(int number) {
    worker_.start("worker-" + std::to_string(number));
    started_ = true;
}

base::Result<void> WorkerSet::listen(const boost::asio::ip::tcp::endpoint& endpoint) {
    base::Result<void> result;
    on_worker(worker_, [&] {
        if (shared_.config.lambda.websocket && shared_.config.store == "dynamodb:")
            subscribers_ = std::make_unique<Subscribers>(Subscribers::Parts{.shared = shared_,
                                                                            .worker = worker_,
                                                                            .client = *client_,
                                                                            .credentials = *credentials_,
                                                                            .sessions = *sessions_},
                                                         api_settings(shared_).chat, true);
        result = server_->listen(endpoint);
    });
    return result;
}

base::Result<void> WorkerSet::start_lambda(std::string_view api, lambda::FrontSettings front,
                                           std::function<void()> after_each, std::function<void(bool)> ended) {
    auto function = LambdaFunction::make({.shared = shared_,
                                          .worker = worker_,
                                          .client = *client_,
                                          .credentials = *credentials_,
                                          .sessions = *sessions_,
                                          .api = *api_,
                                          .options = server_options(),
                                          .chat = api_settings(shared_).chat},
                                         front, api, std::move(after_each));
    if (!function) return std::unexpected(function.error());
    function_ = *std::move(function);
    on_worker(worker_, [&] { function_->start(std::move(ended)); });
    return {};
}

WorkerSet::Connections WorkerSet::connections() {
    Connections counted;
    on_worker(worker_, [&] { counted = {server_->connections(), client_->idle_connections()}; });
    return counted;
}

void WorkerSet::stop_accepting() {
    if (!started_) return;
    on_worker(worker_, [this] {
        server_->stop_accepting();
        if (function_) function_->stop();
    });
}

bool WorkerSet::stop(base::Deadline deadline) {
    if (!started_) return true;
    on_worker(worker_, [this] { credentials_->close(); });
    const auto join = [this](base::Deadline until) {
        bool all = false;
        worker_.run_until_done([](async::TaskGroup& tasks, base::Deadline until, bool& all) -> async::Task<void> {
            all = co_await tasks.join(until);
        }(worker_.tasks(), until, all));
        return all;
    };
    bool all_ended = join(deadline);
    if (!all_ended) {
        on_worker(worker_, [this] { server_->close_connections(); });
        all_ended = join(base::Deadline::after(closing_time));
    }
    if (!all_ended) return false;
    // On the worker's own thread, since each of them belongs to it.
    on_worker(worker_, [this] {
        function_.reset();
        subscribers_.reset();
        server_.reset();
        api_.reset();
        sessions_.reset();
        models_.reset();
        credentials_.reset();
        credential_chain_.reset();
        client_.reset();
        worker_.context().stop();
    });
    worker_.join();
    return true;
}

}  // namespace tertulia::app
