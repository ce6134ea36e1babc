#include "tertulia/http/url.h"

#include <fmt/format.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>

#include "tertulia/http/ascii.h"

namespace tertulia::http {

std::string Url::authority() const {
    const bool bracketed = host.find(':') != std::string::npos;
    std::string text = bracketed ? "[" + host + "]" : host;
    if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
    return text;
}

base::Result<Url> parse_url(std::string_view text) {
    // Of what may hold a password or a key nothing is repeated.
    const auto refuse = [&](std::string_view why) {
        const std::string_view shown = text.substr(0, text.find_first_of("?#"));
        return base::fail(base::Errc::invalid_request,
                          shown.find('@') == std::string_view::npos
                              ? fmt::format("\"{}\" is not an address to call: {}.", shown, why)
                              : fmt::format("This is not an address to call: {}.", why));
    };
    const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
    if (!parsed) return refuse("not an absolute URL");
    const boost::urls::url_view& view = *parsed;

    Url url;
    if (view.scheme_id() == boost::urls::scheme::https)
        url.tls = true;
    else if (view.scheme_id() != boost::urls::scheme::http)
        return refuse("it must begin with http:// or https://");
    // What it says is not repeated: it may hold a password.
    if (view.has_userinfo()) return base::fail(base::Errc::invalid_request, "A URL to call must not hold a user name.");
    if (view.has_fragment()) return refuse("it has a fragment");
    url.host = view.host_address();
    if (url.host.empty()) return refuse("it names no host");
    for (char& c : url.host) c = to_lower(c);
    if (!is_field_value(url.host) || url.host.find(' ') != std::string::npos)
        return refuse("the host's name is malformed");
    if (url.tls) url.port = 443;
    if (view.has_port()) {
        const auto port = view.port();
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
            return refuse("the port is malformed");
    }
    const auto target = view.encoded_target();
    url.target.assign(target.data(), target.size());
    // Boost 1.81 takes "1.2.3.4" for the host of "http://1.2.3.4.example.com/", and the rest of the name for the path.
    if (!url.target.empty() && url.target.front() != '/' && url.target.front() != '?')
        return refuse("a host's name that begins with an address is not supported");
    if (!url.target.starts_with('/')) url.target.insert(0, "/");
    return url;
}

}  // namespace tertulia::http
