// The program as a Lambda function.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include "tertulia/api/api.h"
#include "tertulia/api/direct_calls.h"
#include "tertulia/app/shared_parts.h"
#include "tertulia/app/subscribers.h"
#include "tertulia/async/worker.h"
#include "tertulia/http/client.h"
#include "tertulia/http/server.h"
#include "tertulia/lambda/direct_events.h"
#include "tertulia/lambda/hand_over.h"
#include "tertulia/lambda/http_front.h"
#include "tertulia/lambda/invoked_work.h"
#include "tertulia/lambda/runtime_client.h"
#include "tertulia/lambda/runtime_loop.h"
#include "tertulia/lambda/self_invoker.h"
#include "tertulia/lambda/socket_front.h"

namespace tertulia::app {

/// What a worker has of it beside what a server's worker has: wires the parts of `lambda`. Made before the worker's
/// thread starts or on another one; `start`, `stop` and the destructor are called on the worker.
class LambdaFunction {
  public:
    /// What it refers to outlives it.
    struct Parts {
        const SharedParts& shared;
        async::Worker& worker;
        http::Client& client;
        aws::CredentialCache& credentials;
        sessions::SessionService& sessions;
        const api::Api& api;
        http::ServerOptions options;
        api::ChatDefaults chat;
    };
    /// `api`: the address of the Runtime API. `after_each`: called on the worker after each invocation.
    /// invalid_request: `api` is no address.
    static base::Result<std::unique_ptr<LambdaFunction>> make(Parts parts, const lambda::FrontSettings& front,
                                                              std::string_view api, std::function<void()> after_each);
    LambdaFunction(Parts parts, lambda::RuntimeClient runtime, const lambda::FrontSettings& front,
                   std::function<void()> after_each);
    LambdaFunction(const LambdaFunction&) = delete;

    /// Answers invocations from now on (lambda/runtime_loop.h). `ended`: there will be no more (false: because
    /// something is broken).
    void start(std::function<void(bool is_well)> ended);
    void stop() { stop_.request_stop(); }

  private:
    void make_invoker();
    void make_handlers(base::Milliseconds margin);
    lambda::EventHandlers handlers();
    async::Task<void> run(std::function<void(bool is_well)> ended);

    const Parts parts_;
    const http::ServerOptions& options_ = parts_.options;
    lambda::RuntimeClient runtime_;
    Subscribers subscribers_;
    std::optional<lambda::SelfInvoker> invoker_;  // none: it does not know its own name
    std::optional<lambda::HandOver> hand_over_;   // none: turns end with their invocation
    std::optional<api::DirectCalls> calls_;
    std::optional<lambda::InvokedWork> work_;
    std::optional<lambda::SocketFront> sockets_;
    std::optional<lambda::DirectEvents> direct_;
    std::optional<lambda::HttpFront> front_;
    std::optional<lambda::RuntimeLoop> loop_;
    std::stop_source stop_;
};

}  // namespace tertulia::app
