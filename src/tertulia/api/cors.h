// Pages of other origins.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tertulia/http/message.h"

namespace tertulia::api {

/// Which pages' scripts may read our answers (Fetch standard, "CORS protocol"). Off where no origin is allowed. Value.
class Cors {
  public:
    /// `origins`: as browsers send them ("https://app.example:8443"), or `*` for all.
    explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

    bool enabled() const { return !origins_.empty(); }

    /// Is this a browser's question whether it may send the real request? It bears no token.
    bool is_preflight(const http::Request& request) const;
    http::Response preflight(const http::Request& request) const;

    /// Adds to an answer what lets the request's origin read it.
    void add_headers(const http::Request& request, http::Headers& headers) const;

  private:
    std::vector<std::string> origins_;
};

}  // namespace tertulia::api
