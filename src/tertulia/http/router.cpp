#include "tertulia/http/router.h"

#include "tertulia/http/percent.h"

namespace tertulia::http {
namespace {

// Takes the first segment off `path` ("/a/b" gives "a" and leaves "/b").
std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Segments are cut before they are decoded: an encoded slash stays inside its segment.
bool matches(std::string_view pattern, std::string_view path, Parameters& parameters) {
    parameters.clear();
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = take_segment(pattern);
        const auto segment = percent_decode(take_segment(path));
        if (!segment) return false;
        if (wanted.starts_with('{') && wanted.ends_with('}')) {
            if (segment->empty()) return false;
            parameters.emplace_back(wanted.substr(1, wanted.size() - 2), *segment);
        } else if (wanted != *segment) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler) {
    routes_.push_back({std::move(method), std::move(pattern), std::move(handler)});
}

Router::Match Router::find(Request& request) const {
    Match match;
    const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
    if (!path.starts_with('/')) return match;
    const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
    Parameters parameters;
    for (const Route& route : routes_) {
        if (!matches(route.pattern, path, parameters)) continue;
        if (route.method == method) {
            request.path_parameters = std::move(parameters);
            request.route = route.pattern;
            match.route = &route;
            match.allow.clear();
            return match;
        }
        if (!match.allow.empty()) match.allow += ", ";
        match.allow += route.method;
        if (route.method == "GET") match.allow += ", HEAD";
    }
    return match;
}

}  // namespace tertulia::http
