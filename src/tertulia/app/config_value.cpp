#include "tertulia/app/config_value.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>

#include "tertulia/aws/secret_reference.h"

namespace tertulia::app {
namespace {

using base::Errc;
using base::Result;

// A value that does not fit; the caller knows the key and the source.
struct Misfit {
    std::string shown;  // what was given, as it may be printed
};

std::string shown(std::string_view text) {
    return fmt::format("\"{}\"", text.substr(0, 100));
}

std::optional<std::int64_t> to_integer(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::vector<std::string> split_at_commas(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        std::string_view part = text.substr(0, comma);
        while (part.starts_with(' ')) part.remove_prefix(1);
        while (part.ends_with(' ')) part.remove_suffix(1);
        if (!part.empty()) parts.emplace_back(part);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return parts;
}

// Takes the value that the file's syntax gives; each alternative of Slot accepts exactly one type.
template <class Owner>
struct Assign {
    const Key<Owner>& key;
    const FileValue& value;
    const Environment& environment;

    using Outcome = std::expected<void, std::variant<Misfit, base::Error>>;

    Outcome misfit() const {
        if (const auto* text = std::get_if<std::string>(&value)) return std::unexpected(Misfit{shown(*text)});
        if (const auto* number = std::get_if<std::int64_t>(&value))
            return std::unexpected(Misfit{std::to_string(*number)});
        if (const auto* number = std::get_if<double>(&value))
            return std::unexpected(Misfit{fmt::format("{}", *number)});
        if (const auto* flag = std::get_if<bool>(&value)) return std::unexpected(Misfit{*flag ? "true" : "false"});
        return std::unexpected(Misfit{"an array"});
    }

    Outcome operator()(std::string* slot) const {
        const auto* text = std::get_if<std::string>(&value);
        if (!text || (key.valid && !key.valid(*text))) return misfit();
        *slot = *text;
        return {};
    }
    Outcome operator()(std::int64_t* slot) const {
        const auto* number = std::get_if<std::int64_t>(&value);
        if (!number || *number < key.least || *number > key.most) return misfit();
        *slot = *number;
        return {};
    }
    Outcome operator()(double* slot) const {
        double number = 0;
        if (const auto* whole = std::get_if<std::int64_t>(&value))
            number = static_cast<double>(*whole);
        else if (const auto* given = std::get_if<double>(&value))
            number = *given;
        else
            return misfit();
        if (!(number >= static_cast<double>(key.least) && number <= static_cast<double>(key.most))) return misfit();
        *slot = number;
        return {};
    }
    Outcome operator()(base::Milliseconds* slot) const {
        std::int64_t number = 0;
        auto set = (*this)(&number);
        if (set) *slot = base::Milliseconds(number);
        return set;
    }
    Outcome operator()(std::optional<base::Milliseconds>* slot) const { return (*this)(&slot->emplace(0)); }
    Outcome operator()(bool* slot) const {
        const auto* flag = std::get_if<bool>(&value);
        if (!flag) return misfit();
        *slot = *flag;
        return {};
    }
    Outcome operator()(base::Secret* slot) const {
        const auto* text = std::get_if<std::string>(&value);
        if (!text) return std::unexpected(Misfit{"something else"});
        auto secret = read_secret(*text, environment);
        if (!secret) return std::unexpected(secret.error());
        *slot = std::move(*secret);
        return {};
    }
    Outcome operator()(ApiKey* slot) const {
        const auto* text = std::get_if<std::string>(&value);
        if (text && aws::parse_secret_reference(*text)) {
            *slot = {.secret = {}, .reference = *text};
            return {};
        }
        slot->reference.clear();
        return (*this)(&slot->secret);
    }
    Outcome operator()(std::vector<std::string>* slot) const {
        const auto* texts = std::get_if<std::vector<std::string>>(&value);
        if (!texts) return misfit();
        *slot = *texts;
        return {};
    }
};

// The environment and the command line know only texts: gives one the type that the key has, where it can have it.
FileValue typed(const Slot& slot, std::string_view text) {
    if (std::holds_alternative<bool*>(slot)) {
        if (text == "true" || text == "1") return true;
        if (text == "false" || text == "0") return false;
    } else if (std::holds_alternative<std::vector<std::string>*>(slot)) {
        return split_at_commas(text);
    } else if (std::holds_alternative<double*>(slot)) {
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc() && end == text.data() + text.size()) return number;
    } else if (!std::holds_alternative<std::string*>(slot) && !std::holds_alternative<base::Secret*>(slot) &&
               !std::holds_alternative<ApiKey*>(slot)) {
        if (const auto number = to_integer(text)) return *number;
    }
    return std::string(text);
}

}  // namespace

template <class Owner>
Result<void> set_from_file(const Key<Owner>& key, Owner& owner, const FileValue& value, std::string_view where,
                           std::string_view source, const Environment& environment) {
    const auto set = std::visit(Assign<Owner>{key, value, environment}, key.slot(owner));
    if (set) return {};
    if (const auto* error = std::get_if<base::Error>(&set.error())) {
        return base::fail(error->code, fmt::format("{}{} ({}): {}", where, key.path, source, error->message));
    }
    return base::fail(Errc::invalid_request, fmt::format("{}{} ({}): must be {}, not {}", where, key.path, source,
                                                         allowed_values(key), std::get<Misfit>(set.error()).shown));
}

template <class Owner>
Result<void> set_from_text(const Key<Owner>& key, Owner& owner, std::string_view text, std::string_view source,
                           const Environment& environment) {
    return set_from_file(key, owner, typed(key.slot(owner), text), "", source, environment);
}

bool is_bare_secret(std::string_view text) {
    return !text.empty() && !text.starts_with("env:") && !text.starts_with("file:") &&
           !aws::parse_secret_reference(text);
}

std::string_view without_line_end(std::string_view secret) {
    return secret.substr(0, secret.find_last_not_of(" \t\r\n") + 1);
}

Result<base::Secret> read_secret(std::string_view text, const Environment& environment) {
    if (text.starts_with("env:")) {
        const std::string_view name = text.substr(4);
        const std::string_view value = without_line_end(base::variable(environment, name));
        if (value.empty())
            return base::fail(Errc::invalid_request, fmt::format("the environment variable {} is not set", name));
        return base::Secret(std::string(value));
    }
    if (text.starts_with("file:")) {
        const std::string path(text.substr(5));
        std::ifstream file(path);
        std::string line;
        if (!std::getline(file, line)) {
            return base::fail(Errc::invalid_request, fmt::format("cannot read a secret from the file {}", path));
        }
        line.resize(without_line_end(line).size());
        if (line.empty()) {
            return base::fail(Errc::invalid_request, fmt::format("the first line of the file {} is empty", path));
        }
        return base::Secret(std::move(line));
    }
    if (aws::parse_secret_reference(text))
        return base::fail(Errc::invalid_request, "only an api_key can be kept in AWS's Secrets Manager or SSM");
    return base::Secret(std::string(text));
}

template Result<void> set_from_text(const Key<Config>&, Config&, std::string_view, std::string_view,
                                    const Environment&);
template Result<void> set_from_file(const Key<Config>&, Config&, const FileValue&, std::string_view, std::string_view,
                                    const Environment&);
template Result<void> set_from_file(const Key<ProviderConfig>&, ProviderConfig&, const FileValue&, std::string_view,
                                    std::string_view, const Environment&);
template Result<void> set_from_file(const Key<RouteConfig>&, RouteConfig&, const FileValue&, std::string_view,
                                    std::string_view, const Environment&);
template Result<void> set_from_file(const Key<ModelConfig>&, ModelConfig&, const FileValue&, std::string_view,
                                    std::string_view, const Environment&);
template Result<void> set_from_file(const Key<PriceConfig>&, PriceConfig&, const FileValue&, std::string_view,
                                    std::string_view, const Environment&);
template Result<void> set_from_file(const Key<BudgetConfig>&, BudgetConfig&, const FileValue&, std::string_view,
                                    std::string_view, const Environment&);

}  // namespace tertulia::app
