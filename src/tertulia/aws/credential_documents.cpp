#include "tertulia/aws/credential_documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tertulia/base/date_text.h"
#include "tertulia/base/json.h"

namespace tertulia::aws {
namespace {

namespace json = boost::json;
using base::Errc;

std::string_view text_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    const json::string& text = value->get_string();
    return {text.data(), text.size()};
}

// What a service says went wrong, as far as it may go into an error text.
std::string quoted(std::string_view text) {
    std::string out(text.substr(0, 200));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = ' ';
    return out;
}

base::Result<Credentials> read_object(const json::object& object, std::string_view token_name) {
    Credentials credentials{.access_key_id = std::string(text_of(object, "AccessKeyId")),
                            .secret_access_key = base::Secret(std::string(text_of(object, "SecretAccessKey"))),
                            .session_token = base::Secret(std::string(text_of(object, token_name)))};
    if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
        return base::fail(Errc::unauthenticated, "AccessKeyId or SecretAccessKey is missing");
    if (const std::string_view expiration = text_of(object, "Expiration"); !expiration.empty()) {
        credentials.expires_us = base::parse_rfc3339(expiration);
        if (!credentials.expires_us) return base::fail(Errc::unauthenticated, "Expiration is not a time");
    }
    return credentials;
}

base::Result<json::object> parse_object(std::string_view text) {
    base::Result<json::value> value = base::parse_json(text);
    if (!value || !value->is_object()) return base::fail(Errc::unauthenticated, "it is not a JSON object");
    return std::move(value->get_object());
}

std::optional<std::string_view> element(std::string_view xml, std::string_view name) {
    const std::string open = fmt::format("<{}>", name), close = fmt::format("</{}>", name);
    const std::size_t from = xml.find(open);
    if (from == std::string_view::npos) return {};
    const std::size_t to = xml.find(close, from + open.size());
    if (to == std::string_view::npos) return {};
    return xml.substr(from + open.size(), to - from - open.size());
}

// Nothing where it holds elements, or references other than the five that XML has.
std::optional<std::string> element_text(std::string_view xml, std::string_view name) {
    constexpr std::array<std::pair<std::string_view, char>, 5> references{
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
    const std::optional<std::string_view> found = element(xml, name);
    if (!found || found->find('<') != std::string_view::npos) return {};
    std::string out;
    for (std::string_view rest = *found; !rest.empty();) {
        if (rest.front() != '&') {
            out += rest.front();
            rest.remove_prefix(1);
            continue;
        }
        const auto* const reference =
            std::ranges::find_if(references, [&](const auto& r) { return rest.starts_with(r.first); });
        if (reference == references.end()) return {};
        out += reference->second;
        rest.remove_prefix(reference->first.size());
    }
    return out;
}

}  // namespace

base::Result<Credentials> parse_process_output(std::string_view text) {
    const base::Result<json::object> object = parse_object(text);
    if (!object) return std::unexpected(object.error());
    const json::value* version = object->if_contains("Version");
    if (!version || !version->is_int64() || version->get_int64() != 1)
        return base::fail(Errc::unauthenticated, "Version is not 1");
    return read_object(*object, "SessionToken");
}

base::Result<Credentials> parse_lent_credentials(std::string_view text) {
    const base::Result<json::object> object = parse_object(text);
    if (!object) return std::unexpected(object.error());
    const bool has_code = object->contains("Code");
    const std::string_view code = text_of(*object, has_code ? "Code" : "code");
    if (!code.empty() && code != "Success")
        return base::fail(Errc::unauthenticated,
                          quoted(fmt::format("{}: {}", code, text_of(*object, has_code ? "Message" : "message"))));
    return read_object(*object, "Token");
}

base::Result<Credentials> parse_sts_answer(std::string_view xml) {
    const std::string_view lent = element(xml, "Credentials").value_or(std::string_view());
    Credentials credentials{.access_key_id = element_text(lent, "AccessKeyId").value_or(""),
                            .secret_access_key = base::Secret(element_text(lent, "SecretAccessKey").value_or("")),
                            .session_token = base::Secret(element_text(lent, "SessionToken").value_or("")),
                            .expires_us = base::parse_rfc3339(element_text(lent, "Expiration").value_or(""))};
    if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
        credentials.session_token.empty() || !credentials.expires_us)
        return base::fail(Errc::unauthenticated, "it holds no credentials");
    return credentials;
}

std::string parse_sts_error(std::string_view xml) {
    const std::string_view error = element(xml, "Error").value_or(std::string_view());
    const std::string code = element_text(error, "Code").value_or("");
    return code.empty() ? code : quoted(fmt::format("{}: {}", code, element_text(error, "Message").value_or("")));
}

base::Result<std::optional<http::Url>> container_url(const base::Environment& environment) {
    const std::string_view relative = base::variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (!relative.empty()) {
        base::Result<http::Url> url = http::parse_url(fmt::format("http://169.254.170.2{}", relative));
        if (!url || !relative.starts_with('/'))
            return base::fail(Errc::forbidden, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path");
        return std::move(*url);
    }
    const std::string_view full = base::variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (full.empty()) return std::nullopt;
    base::Result<http::Url> url = http::parse_url(full);
    if (!url) return base::fail(Errc::forbidden, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not an http or https URL");
    const auto is_loopback = [](std::string_view host) {
        // Addresses only, as numbers: what a name stands for may change ("127.example.com" is a name).
        return host == "::1" || (host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
                                 std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }));
    };
    constexpr auto agents = std::to_array<std::string_view>({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"});
    if (!url->tls && !is_loopback(url->host) && url->host != "localhost" &&
        std::ranges::find(agents, url->host) == agents.end())
        return base::fail(Errc::forbidden,
                          "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or an address of this machine or of a "
                          "container agent (169.254.170.2, 169.254.170.23, [fd00:ec2::23])");
    return std::move(*url);
}

}  // namespace tertulia::aws
