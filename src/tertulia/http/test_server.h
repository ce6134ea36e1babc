// A server on a worker of its own, for tests that talk to it over sockets.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "tertulia/async/waiter.h"
#include "tertulia/async/worker.h"
#include "tertulia/http/server.h"
#include "tertulia/http/test_sockets.h"

namespace tertulia::http::testing {

/// Add routes and set options, then `start()`.
class ServerTest : public ::testing::Test {
  protected:
    ServerTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        options_.on_error = [](const base::Error& error, const Request*) {
            Response response{.status = error.status ? error.status : base::http_status(error.code)};
            response.content_type = "text/plain";
            response.body = error.message;
            return response;
        };
        options_.on_bug = [this](const std::string&) { ++bugs_; };
    }

    void start() {
        worker_.start("server test");
        on_worker([this] {
            waiter_ = async::Waiter::make(worker_.executor());
            server_.emplace(worker_.executor(), worker_.tasks(), router_, options_);
            const auto listening = server_->listen({boost::asio::ip::address_v4::loopback(), 0});
            EXPECT_TRUE(listening) << listening.error().message;
            port_ = server_->endpoint().port();
        });
    }

    // Before the members of derived classes go, which handlers use.
    void TearDown() override {
        if (!server_) return;
        auto stop = [this]() -> async::Task<void> {
            server_->stop_accepting();
            server_->close_connections();
            EXPECT_TRUE(
                co_await worker_.tasks().join(base::Deadline::after(std::chrono::seconds(testing::patience_seconds))));
            server_.reset();
        };
        worker_.run_until_done(stop());
    }

    /// Runs `body` on the worker and waits for it.
    template <class Body>
    void on_worker(Body body) {
        auto whole = [&]() -> async::Task<void> {
            body();
            co_return;
        };
        worker_.run_until_done(whole());
    }

    BlockingSocket connect() { return BlockingSocket::connect(port_); }

    ServerOptions options_;
    Router router_;
    async::Worker worker_;
    std::optional<Server> server_;
    std::shared_ptr<async::Waiter> waiter_;  // for what a handler waits for; `wake()` it from any thread
    std::uint16_t port_ = 0;
    std::atomic<int> bugs_ = 0;
};

}  // namespace tertulia::http::testing
