// What the tests of the client share.
#pragma once

#include <gtest/gtest.h>

#include <stop_token>
#include <string>
#include <utility>

#include "tertulia/async/worker.h"
#include "tertulia/http/client.h"
#include "tertulia/http/test_sockets.h"

namespace tertulia::http::testing {

using async::Task;
using base::Deadline;
using base::Errc;

inline Deadline in_time() {
    return Deadline::after(std::chrono::seconds(patience_seconds));
}

// Runs one coroutine on a worker of its own, with a client that lives there.
class ClientTest : public ::testing::Test {
  protected:
    ClientTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("client test"); }

    template <class Body>
    void run(Body body, ClientOptions options = {}) {
        auto whole = [&]() -> Task<void> {
            Client client(worker_.executor(), options);
            co_await body(client);
        };
        worker_.run_until_done(whole());
    }

    static ClientRequest request(const ScriptedServer& server, std::string body = "{}") {
        ClientRequest made;
        made.url = {.host = "127.0.0.1", .port = server.port(), .target = "/v1/x?y=z"};
        made.body = std::move(body);
        return made;
    }

    async::Worker worker_;
};

struct Whole {
    int status = 0;
    std::string body;
    Errc error{};
    std::string message;
    bool ok = false;
};

inline Task<Whole> read_all(ClientResponse& response, Deadline deadline) {
    Whole whole{.status = response.status};
    for (;;) {
        const auto bytes = co_await response.read(deadline);
        if (!bytes) {
            whole.error = bytes.error().code;
            whole.message = bytes.error().message;
            co_return whole;
        }
        if (bytes->empty()) break;
        whole.body += *bytes;
    }
    whole.ok = response.is_complete();
    co_return whole;
}

inline Task<Whole> ask(Client& client, ClientRequest request, Deadline deadline = in_time(),
                       std::stop_token stop = {}) {
    auto response = co_await client.send(std::move(request), stop, deadline);
    if (!response) co_return Whole{.error = response.error().code, .message = response.error().message};
    co_return co_await read_all(**response, deadline);
}

inline ScriptedServer::Script answer(std::string bytes) {
    return [bytes](BlockingSocket& socket) {
        socket.receive_until("\r\n\r\n");
        socket.send(bytes);
    };
}

}  // namespace tertulia::http::testing
