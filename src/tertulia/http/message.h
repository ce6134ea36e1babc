// HTTP requests and responses as values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tertulia::http {

/// Header fields in order; names compare without regard to case (RFC 9110). Value.
class Headers {
  public:
    void add(std::string name, std::string value) {
        if (fields_.empty()) fields_.reserve(4);  // as many as there are, as a rule
        fields_.emplace_back(std::move(name), std::move(value));
    }
    /// The first field of this name, or nullptr.
    const std::string* find(std::string_view name) const;
    std::string_view get(std::string_view name, std::string_view otherwise = {}) const {
        const std::string* value = find(name);
        return value ? std::string_view(*value) : otherwise;
    }
    const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }
    void clear() { fields_.clear(); }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

class BodyGate;

/// A whole request, body included. Value.
struct Request {
    std::string method;
    /// As sent: path and query.
    std::string target;
    /// Percent-decoded; never holds NUL.
    std::string path;
    Headers headers;
    std::string body;
    bool is_http_1_0 = false;
    /// What the router found for `{name}` in the pattern, percent-decoded.
    std::vector<std::pair<std::string, std::string>> path_parameters;
    /// The pattern of the route that the router found; empty: none (yet).
    std::string_view route;
    /// What judges the body as it comes (ServerOptions::gate_body); null: the server's limit alone.
    std::shared_ptr<BodyGate> body_gate;
    /// Set by the server for logs and answers ("r_...").
    std::string id;

    std::string_view parameter(std::string_view name) const;
    /// The first query parameter of this name, decoded; nothing where there is none.
    std::optional<std::string> query(std::string_view name) const;
};

/// Is the media type of `content_type` (without parameters, any case) `type`?
bool is_media_type(std::string_view content_type, std::string_view type);

/// A whole answer. Value.
struct Response {
    int status = 200;
    std::string content_type;  ///< empty: no body
    Headers headers;
    std::string body;
};

}  // namespace tertulia::http
