// What the connections of one server share.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/http/router.h"
#include "tertulia/http/server.h"

namespace tertulia::http {

class Connection;

/// One per worker.
struct ServerCore {
    ServerCore(async::Executor executor_, async::TaskGroup& tasks_, const Router& router_, ServerOptions options_)
        : executor(executor_), tasks(tasks_), router(router_), options(std::move(options_)) {}

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7); made once a second.
    std::string_view date();

    async::Executor executor;
    async::TaskGroup& tasks;
    const Router& router;
    ServerOptions options;
    std::unordered_set<Connection*> connections = {};
    bool draining = false;
    // Every read of this worker goes here: a connection that waits holds no buffer.
    std::vector<char> scratch = std::vector<char>(64 * 1024);

  private:
    std::int64_t date_second_ = -1;
    std::string date_ = {};
};

}  // namespace tertulia::http
