#include "tertulia/aws/secret_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>
#include <vector>

#include "tertulia/base/base64.h"
#include "tertulia/base/json.h"

namespace tertulia::aws {
namespace {

namespace json = boost::json;
using base::Errc;
using Kind = SecretReference::Kind;

constexpr std::string_view secret_prefix = "secret:", parameter_prefix = "parameter:";

std::unexpected<base::Error> unusable(const SecretReference& reference, std::string_view why) {
    return base::fail(Errc::upstream_rejected, fmt::format("{} {}", to_string(reference), why));
}

const json::value* member(const json::value& value, std::string_view name) {
    return value.is_object() ? value.get_object().if_contains(name) : nullptr;
}

std::string_view text_member(const json::value& value, std::string_view name) {
    const json::value* found = member(value, name);
    if (!found || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t begin = std::min(text.find_first_not_of(space), text.size());
    return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

std::string_view key_member(const json::object& object, std::string_view name) {
    for (const std::string_view known : {name, std::string_view("api_key")})
        if (const json::value* found = object.if_contains(known); found && found->is_string())
            return {found->get_string().data(), found->get_string().size()};
    if (object.size() != 1 || !object.begin()->value().is_string()) return {};
    const json::string& only = object.begin()->value().get_string();
    return {only.data(), only.size()};
}

}  // namespace

std::optional<SecretReference> parse_secret_reference(std::string_view text) {
    for (const auto& [prefix, kind] : {std::pair(secret_prefix, Kind::secret), {parameter_prefix, Kind::parameter}})
        if (text.starts_with(prefix) && text.size() > prefix.size())
            return SecretReference{.kind = kind, .id = std::string(text.substr(prefix.size()))};
    return std::nullopt;
}

std::string to_string(const SecretReference& reference) {
    return fmt::format("{}{}", reference.kind == Kind::secret ? secret_prefix : parameter_prefix, reference.id);
}

std::string_view service_of(const SecretReference& reference) {
    return reference.kind == Kind::secret ? "secretsmanager" : "ssm";
}

std::string region_of(const SecretReference& reference, std::string_view otherwise) {
    // arn:aws:secretsmanager:eu-west-1:123456789012:secret:name
    std::vector<std::string_view> parts;
    std::string_view rest = reference.id;
    while (parts.size() < 4 && rest.find(':') != std::string_view::npos) {
        parts.push_back(rest.substr(0, rest.find(':')));
        rest.remove_prefix(rest.find(':') + 1);
    }
    const bool is_arn = parts.size() == 4 && parts[0] == "arn" && !parts[3].empty();
    return std::string(is_arn ? parts[3] : otherwise);
}

ServiceRequest secret_request(const SecretReference& reference) {
    std::string body = reference.kind == Kind::secret ? "{\"SecretId\":" : "{\"Name\":";
    base::append_json_string(body, reference.id);
    body += reference.kind == Kind::secret ? "}" : ",\"WithDecryption\":true}";
    return json_request(reference.kind == Kind::secret ? "secretsmanager.GetSecretValue" : "AmazonSSM.GetParameter",
                        std::move(body), "1.1");
}

base::Result<base::Secret> read_secret_answer(const SecretReference& reference, std::string_view body,
                                              std::string_view name) {
    const auto answer = base::parse_json(body);
    if (!answer) return unusable(reference, "did not come as JSON");
    std::string text;
    if (reference.kind == Kind::parameter) {
        const json::value* parameter = member(*answer, "Parameter");
        text = parameter ? text_member(*parameter, "Value") : std::string_view();
    } else if (const std::string_view given = text_member(*answer, "SecretString"); !given.empty()) {
        text = given;
    } else if (auto bytes = base::decode_base64(text_member(*answer, "SecretBinary"))) {
        text = std::move(*bytes);
    }
    std::string_view key = trimmed(text);
    json::value object;
    if (key.starts_with('{')) {
        auto parsed = base::parse_json(key);
        if (!parsed || !parsed->is_object()) return unusable(reference, "looks like a JSON object and is none");
        object = std::move(*parsed);
        key = trimmed(key_member(object.get_object(), name));
        if (key.empty()) return unusable(reference, fmt::format("has neither a text {} nor api_key", name));
    }
    if (key.empty()) return unusable(reference, "is empty");
    if (!std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; }))
        return unusable(reference, "is no key: it has characters that no key has");
    return base::Secret(std::string(key));
}

}  // namespace tertulia::aws
