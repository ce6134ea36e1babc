#include "tertulia/app/lambda_function.h"

#include <string>
#include <utility>

namespace tertulia::app {
namespace {

template <class T>
T* pointer(std::optional<T>& part) {
    return part ? &*part : nullptr;
}

// What other processes do not know of costs nothing to look for.
bool tells_every_turn(const Config& config) {
    return config.lambda.websocket || config.store != "dynamodb:";
}

}  // namespace

base::Result<std::unique_ptr<LambdaFunction>> LambdaFunction::make(Parts parts, const lambda::FrontSettings& front,
                                                                   std::string_view api,
                                                                   std::function<void()> after_each) {
    auto runtime = lambda::RuntimeClient::make(parts.client, parts.shared.clock, api);
    if (!runtime) return std::unexpected(runtime.error());
    return std::make_unique<LambdaFunction>(std::move(parts), *std::move(runtime), front, std::move(after_each));
}

LambdaFunction::LambdaFunction(Parts parts, lambda::RuntimeClient runtime, const lambda::FrontSettings& front,
                               std::function<void()> after_each)
    : parts_(std::move(parts)),
      runtime_(std::move(runtime)),
      subscribers_({.shared = parts_.shared,
                    .worker = parts_.worker,
                    .client = parts_.client,
                    .credentials = parts_.credentials,
                    .sessions = parts_.sessions},
                   parts_.chat, tells_every_turn(parts_.shared.config)) {
    const SharedParts& shared = parts_.shared;
    make_invoker();
    make_handlers(front.margin);
    front_.emplace(lambda::HttpFront::Parts{.runtime = runtime_,
                                            .router = parts_.api.router(),
                                            .options = options_,
                                            .registry = shared.registry,
                                            .hand_over = pointer(hand_over_),
                                            .broadcast = subscribers_.broadcast(),
                                            .tasks = parts_.worker.tasks(),
                                            .executor = parts_.worker.executor(),
                                            .clock = shared.clock,
                                            .log = shared.log},
                   front);
    loop_.emplace(lambda::RuntimeLoop::Parts{.runtime = runtime_,
                                             .http = *front_,
                                             .tasks = parts_.worker.tasks(),
                                             .executor = parts_.worker.executor(),
                                             .clock = shared.clock,
                                             .log = shared.log,
                                             .on_thaw = [&client = parts_.client] { client.close_idle(); },
                                             .after_each = std::move(after_each)},
                  handlers());
}

void LambdaFunction::make_invoker() {
    const SharedParts& shared = parts_.shared;
    const std::string& twin = shared.config.lambda.self_invoke;
    const std::string name =
        twin.empty() ? std::string(base::variable(shared.environment, "AWS_LAMBDA_FUNCTION_NAME")) : twin;
    auto service = aws::service_config(shared.environment, "lambda", subscribers_.gateway().region);
    if (!service || name.empty()) return;
    invoker_.emplace(parts_.client, parts_.credentials, shared.clock, shared.random, *std::move(service), name);
    // Only where another process can find the turn, and only where somebody has seen to the time that it has there.
    if (!twin.empty() && shared.store.is_shared())
        hand_over_.emplace(lambda::HandOver::Parts{
            .sessions = parts_.sessions, .registry = shared.registry, .invoker = *invoker_, .log = shared.log});
}

void LambdaFunction::make_handlers(base::Milliseconds margin) {
    const SharedParts& shared = parts_.shared;
    calls_.emplace(parts_.sessions, parts_.chat);
    work_.emplace(lambda::InvokedWork::Parts{.sessions = parts_.sessions,
                                             .registry = shared.registry,
                                             .gateway = subscribers_.gateway(),
                                             .hand_over = pointer(hand_over_),
                                             .connections = subscribers_.connections(),
                                             .broadcast = subscribers_.broadcast(),
                                             .tasks = parts_.worker.tasks(),
                                             .executor = parts_.worker.executor(),
                                             .clock = shared.clock,
                                             .log = shared.log},
                  lambda::InvokedWork::Settings{.chat = parts_.chat, .margin = margin});
    sockets_.emplace(lambda::SocketFront::Parts{.api = parts_.api,
                                                .work = *work_,
                                                .invoker = pointer(invoker_),
                                                .connections = subscribers_.connections(),
                                                .clock = shared.clock,
                                                .log = shared.log});
    direct_.emplace(*calls_, *work_, subscribers_.broadcast(), margin);
}

lambda::EventHandlers LambdaFunction::handlers() {
    using lambda::Invocation;
    using Event = boost::json::object;
    return {.websocket = [this](const Invocation& invocation,
                                const Event& event) { return sockets_->answer(invocation, event); },
            .direct = [this](const Invocation& invocation,
                             const Event& event) { return direct_->answer(invocation, event); }};
}

void LambdaFunction::start(std::function<void(bool)> ended) {
    parts_.worker.tasks().spawn(run(std::move(ended)));
}

async::Task<void> LambdaFunction::run(std::function<void(bool)> ended) {
    const std::stop_token stop = stop_.get_token();
    const int polls = lambda::polls(base::variable(parts_.shared.environment, "AWS_LAMBDA_MAX_CONCURRENCY"));
    // Registered before the first event is asked for, or not at all.
    if (auto identifier = co_await runtime_.register_extension(); identifier)
        parts_.worker.tasks().spawn(runtime_.wait_as_extension(std::move(*identifier), stop));
    else
        parts_.shared.log.info("no SIGTERM will come", {{"reason", identifier.error().message}});
    ended(co_await loop_->run(polls, stop));
}

}  // namespace tertulia::app
