#include "tertulia/app/config_keys.h"

#include <fmt/format.h>

#include "tertulia/app/config_sections.h"
#include "tertulia/base/json.h"

namespace tertulia::app {
namespace {

// JSON's strings are TOML's basic strings.
std::string quoted(std::string_view text) {
    std::string out;
    base::append_json_string(out, text);
    return out;
}

struct Formatter {
    std::string operator()(const std::string* text) const { return quoted(*text); }
    std::string operator()(const std::int64_t* number) const { return std::to_string(*number); }
    std::string operator()(const double* number) const { return fmt::format("{}", *number); }
    std::string operator()(const bool* flag) const { return *flag ? "true" : "false"; }
    std::string operator()(const base::Milliseconds* time) const { return std::to_string(time->count()); }
    std::string operator()(const std::optional<base::Milliseconds>* time) const {
        return *time ? std::to_string((*time)->count()) : "\"\"";
    }
    std::string operator()(const ApiKey* key) const {
        return key->reference.empty() ? (*this)(&key->secret) : (*this)(&key->reference);
    }
    std::string operator()(const base::Secret* secret) const { return secret->empty() ? "\"\"" : "\"***\""; }
    std::string operator()(const std::vector<std::string>* texts) const {
        std::string out = "[";
        for (const std::string& text : *texts) {
            if (out.size() > 1) out += ", ";
            out += quoted(text);
        }
        return out + "]";
    }
};

}  // namespace

std::span<const Key<Config>> config_keys() {
    static const std::vector<Key<Config>> all = [] {
        std::vector<Key<Config>> keys;
        for (const auto section : {general_keys(), attempt_keys(), limit_keys(), lambda_keys(), local_model_keys()})
            keys.insert(keys.end(), section.begin(), section.end());
        return keys;
    }();
    return all;
}

std::string environment_name(std::string_view path) {
    std::string name = "TERTULIA_";
    for (const char c : path) name += c == '.' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
}

std::string format_value(const Slot& slot) {
    return std::visit(Formatter{}, slot);
}

template <class Owner>
std::string allowed_values(const Key<Owner>& key) {
    Owner owner;
    const Slot slot = key.slot(owner);
    if (std::holds_alternative<bool*>(slot)) return "true or false";
    if (std::holds_alternative<std::vector<std::string>*>(slot)) return "an array of strings";
    if (!key.allowed.empty()) return std::string(key.allowed);
    if (std::holds_alternative<std::string*>(slot)) return "a string";
    if (std::holds_alternative<double*>(slot)) return fmt::format("a number from {} to {}", key.least, key.most);
    const bool is_time = !std::holds_alternative<std::int64_t*>(slot);
    return fmt::format("a whole number{} from {} to {}", is_time ? " of milliseconds" : "", key.least, key.most);
}

template std::string allowed_values(const Key<Config>&);
template std::string allowed_values(const Key<ProviderConfig>&);
template std::string allowed_values(const Key<ModelConfig>&);
template std::string allowed_values(const Key<PriceConfig>&);
template std::string allowed_values(const Key<BudgetConfig>&);
template std::string allowed_values(const Key<RouteConfig>&);

}  // namespace tertulia::app
