// From method and path to a handler.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"

namespace tertulia::http {

using Handler = std::function<async::Task<void>(Request&, ResponseWriter&)>;

/// The table of routes. Filled at start, then only read. One per worker.
class Router {
  public:
    struct Route {
        std::string method;
        /// `/sessions/{id}/messages`: a part in braces takes one whole, non-empty segment.
        std::string pattern;
        Handler handler;
    };

    void add(std::string method, std::string pattern, Handler handler);

    struct Match {
        const Route* route = nullptr;  ///< null: see `allow`
        /// The path is known, but not with this method: what an `Allow` header says. Empty: 404.
        std::string allow;
    };
    /// Finds the route of `request` and fills its path_parameters. HEAD goes to GET's handler.
    Match find(Request& request) const;

    const std::vector<Route>& routes() const { return routes_; }

  private:
    std::vector<Route> routes_;
};

}  // namespace tertulia::http
