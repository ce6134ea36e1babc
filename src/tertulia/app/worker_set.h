// Everything that exists once per worker.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "tertulia/api/api.h"
#include "tertulia/app/shared_parts.h"
#include "tertulia/async/worker.h"
#include "tertulia/aws/credential_chain.h"
#include "tertulia/base/error.h"
#include "tertulia/http/client.h"
#include "tertulia/http/server.h"
#include "tertulia/lambda/http_front.h"
#include "tertulia/models/model_directory.h"

namespace tertulia::app {

class LambdaFunction;
class Subscribers;

/// A worker with its HTTP server and client, its providers and services, wired but not started. For the main
/// thread.
class WorkerSet {
  public:
    explicit WorkerSet(SharedParts shared);
    ~WorkerSet();
    WorkerSet(const WorkerSet&) = delete;

    /// Makes the providers; before `start`. invalid_request: an address that is none.
    base::Result<void> add_providers();
    void start(int number);
    base::Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint);
    /// Answers Lambda's invocations from now on (lambda/runtime_loop.h); `after_each` and `ended` are called on the
    /// worker. invalid_request: `api` is no address.
    base::Result<void> start_lambda(std::string_view api, lambda::FrontSettings front, std::function<void()> after_each,
                                    std::function<void(bool is_well)> ended);

    async::Worker& worker() { return worker_; }
    http::Client& client() { return *client_; }

    struct Connections {
        std::size_t clients = 0;        ///< of clients to us
        std::size_t idle_upstream = 0;  ///< of ours to providers, waiting in the pool
    };
    Connections connections();

    /// No new connections; those that are open are closed after the answer they wait for. Nothing, where not started.
    void stop_accepting();
    /// Gives answers that are on their way until `deadline`, closes what is still open, and ends the thread. False: a
    /// task would not end, and so nothing may be destroyed.
    bool stop(base::Deadline deadline);

  private:
    http::ServerOptions server_options();

    SharedParts shared_;
    async::Worker worker_;
    bool started_ = false;
    // Made before the thread starts, destroyed on it.
    std::optional<http::Client> client_;
    std::optional<aws::CredentialChain> credential_chain_;
    std::optional<aws::CredentialCache> credentials_;
    std::optional<models::ModelDirectory> models_;
    std::optional<sessions::SessionService> sessions_;
    std::optional<api::Api> api_;
    std::optional<http::Server> server_;
    std::unique_ptr<Subscribers> subscribers_;  // of a server; null: nobody looks for them
    std::unique_ptr<LambdaFunction> function_;
};

}  // namespace tertulia::app
