#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include "tertulia/app/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "tertulia/app/config_keys.h"
#include "tertulia/app/config_value.h"
#include "tertulia/base/nearest_name.h"

namespace tertulia::app {
namespace {

// The lists of tables, which are read apart from the keys.
constexpr std::array<std::string_view, 5> lists{"providers", "models", "routes", "prices", "budgets"};

using base::Errc;
using base::Result;

struct FileReader {
    std::string_view path;
    const Environment& environment;
    LoadedConfig& loaded;

    std::string source(const toml::node& node) const {
        return fmt::format("file {}:{}", path, node.source().begin.line);
    }

    std::unexpected<base::Error> fail_at(const toml::node& node, std::string_view what) const {
        return base::fail(Errc::invalid_request, fmt::format("{}:{}: {}", path, node.source().begin.line, what));
    }

    static std::optional<FileValue> value_of(const toml::node& node) {
        if (const auto* text = node.as_string()) return FileValue(text->get());
        if (const auto* number = node.as_integer()) return FileValue(number->get());
        if (const auto* number = node.as_floating_point()) return FileValue(number->get());
        if (const auto* flag = node.as_boolean()) return FileValue(flag->get());
        if (const auto* array = node.as_array()) {
            std::vector<std::string> texts;
            for (const toml::node& element : *array) {
                const auto* text = element.as_string();
                if (!text) return std::nullopt;
                texts.push_back(text->get());
            }
            return FileValue(std::move(texts));
        }
        return std::nullopt;
    }

    template <class Owner>
    std::unexpected<base::Error> unknown(const toml::node& node, std::string_view name, std::string_view where,
                                         std::span<const Key<Owner>> keys) const {
        std::vector<std::string_view> known;
        for (const Key<Owner>& key : keys) known.push_back(key.path);
        if (where.empty()) known.insert(known.end(), lists.begin(), lists.end());
        const std::string_view nearest = base::nearest_name(name, known);
        return fail_at(node,
                       fmt::format("unknown key \"{}{}\"{}", where, name,
                                   nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", nearest)));
    }

    /// Sets what `table` says, its sub-tables included; `prefix` is their dotted path. `where` goes before it in
    /// messages, `names` before it in the map of sources.
    template <class Owner>
    Result<void> read_table(const toml::table& table, const std::string& prefix, std::span<const Key<Owner>> keys,
                            Owner& owner, std::string_view where, std::string_view names) const {
        for (const auto& [toml_key, node] : table) {
            const std::string name = prefix + std::string(toml_key.str());
            if (where.empty() && prefix.empty() && std::ranges::find(lists, name) != lists.end()) continue;
            const auto key = std::ranges::find(keys, name, &Key<Owner>::path);
            if (key == keys.end()) {
                const bool is_group =
                    std::ranges::any_of(keys, [&](const Key<Owner>& k) { return k.path.starts_with(name + "."); });
                const toml::table* inner = node.as_table();
                if (!is_group && inner && !inner->empty() && where.empty()) {
                    // A mistyped table: its first key says more than its name.
                    return unknown(node, name + "." + std::string(inner->begin()->first.str()), where, keys);
                }
                if (!is_group) return unknown(node, name, where, keys);
                if (!inner) return fail_at(node, fmt::format("{}{} is a table: [{}{}]", where, name, where, name));
                if (auto read = read_table(*inner, name + ".", keys, owner, where, names); !read) return read;
                continue;
            }
            const auto value = value_of(node);
            if (!value) {
                return fail_at(node, fmt::format("{}{} must be {}", where, name, allowed_values(*key)));
            }
            if (auto set = set_from_file(*key, owner, *value, where, source(node), environment); !set) return set;
            loaded.sources.insert_or_assign(std::string(names) + name, source(node));
            warn_of_bare_secret(*key, owner, *value, std::string(names) + name, node);
        }
        return {};
    }

    template <class Owner>
    void warn_of_bare_secret(const Key<Owner>& key, Owner& owner, const FileValue& value, const std::string& name,
                             const toml::node& node) const {
        const Slot slot = key.slot(owner);
        if (!std::holds_alternative<base::Secret*>(slot) && !std::holds_alternative<ApiKey*>(slot)) return;
        const auto* text = std::get_if<std::string>(&value);
        if (!text || !is_bare_secret(*text)) return;
        loaded.warnings.push_back(fmt::format(
            "{}:{}: {} holds a secret in plain sight; \"env:NAME\" or \"file:PATH\" keeps it out of the file", path,
            node.source().begin.line, name));
    }

    /// One of `lists`. Entries are called by their name in messages and sources: the key `name_key`, in the member
    /// `name`; null: by their number.
    template <class Owner>
    Result<void> read_entries(const toml::table& root, const std::string& list, std::span<const Key<Owner>> keys,
                              std::vector<Owner>& into, std::string_view name_key, std::string Owner::* name_of) const {
        const toml::node* node = root.get(list);
        if (!node) return {};
        const toml::array* entries = node->as_array();
        if (!entries) return fail_at(*node, fmt::format("{} is a list of tables: [[{}]]", list, list));
        for (const toml::node& entry : *entries) {
            const toml::table* table = entry.as_table();
            if (!table) return fail_at(entry, fmt::format("{} is a list of tables: [[{}]]", list, list));
            Owner owner;
            const toml::node* given = table->get(name_key);
            const std::string name =
                given && given->is_string() ? std::string(given->as_string()->get()) : std::to_string(into.size() + 1);
            const std::string names = fmt::format("{}.{}.", list, name);
            if (auto read = read_table(*table, "", keys, owner, names, names); !read) return read;
            if (auto checked = check(owner, entry, names); !checked) return checked;
            if (name_of && std::ranges::find(into, owner.*name_of, name_of) != into.end()) {
                return fail_at(entry, fmt::format("two [[{}]] have the {} \"{}\"", list, name_key, owner.*name_of));
            }
            into.push_back(std::move(owner));
        }
        return {};
    }

    Result<void> check(const ProviderConfig& provider, const toml::node& entry, std::string_view names) const {
        if (provider.name.empty()) return fail_at(entry, fmt::format("{}name must be set", names));
        if (provider.kind.empty()) {
            return fail_at(entry, fmt::format("{}kind must be set: anthropic-messages, openai-chat, openai-responses, "
                                              "bedrock-converse or bedrock-invoke",
                                              names));
        }
        return {};
    }
    Result<void> check(const ModelConfig& model, const toml::node& entry, std::string_view names) const {
        if (model.name.empty()) return fail_at(entry, fmt::format("{}name must be set", names));
        if (model.context_window == 0) return fail_at(entry, fmt::format("{}context_window must be set", names));
        return {};
    }
    Result<void> check(const PriceConfig& price, const toml::node& entry, std::string_view names) const {
        for (const auto& [key, value] :
             {std::pair("model", &price.model), std::pair("input", &price.input), std::pair("output", &price.output)})
            if (value->empty()) return fail_at(entry, fmt::format("{}{} must be set", names, key));
        return {};
    }
    Result<void> check(const BudgetConfig& budget, const toml::node& entry, std::string_view names) const {
        if (budget.owner.empty() == budget.session.empty())
            return fail_at(entry, fmt::format("{}owner or {}session must be set, and not both", names, names));
        for (const auto& [key, value] : {std::pair("per", &budget.per), std::pair("usd", &budget.usd)})
            if (value->empty()) return fail_at(entry, fmt::format("{}{} must be set", names, key));
        return {};
    }
    Result<void> check(const RouteConfig& route, const toml::node& entry, std::string_view names) const {
        if (route.name.empty()) return fail_at(entry, fmt::format("{}name must be set", names));
        if (route.targets.empty()) return fail_at(entry, fmt::format("{}targets must be set", names));
        return {};
    }
};

}  // namespace

Result<void> apply_toml(std::string_view text, std::string_view path, const Environment& environment,
                        LoadedConfig& loaded) {
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        return base::fail(
            Errc::invalid_request,
            fmt::format("{}:{}: not TOML: {}", path, parsed.error().source().begin.line, parsed.error().description()));
    }
    const FileReader reader{path, environment, loaded};
    const toml::table& root = parsed.table();
    if (auto read = reader.read_table(root, "", config_keys(), loaded.config, "", ""); !read) return read;
    Config& config = loaded.config;
    if (auto read =
            reader.read_entries(root, "providers", provider_keys(), config.providers, "name", &ProviderConfig::name);
        !read)
        return read;
    if (auto read = reader.read_entries(root, "models", model_keys(), config.models, "name", &ModelConfig::name); !read)
        return read;
    if (auto read = reader.read_entries(root, "prices", price_keys(), config.prices, "model", &PriceConfig::model);
        !read)
        return read;
    if (auto read = reader.read_entries(root, "routes", route_keys(), config.routes, "name", &RouteConfig::name); !read)
        return read;
    return reader.read_entries<BudgetConfig>(root, "budgets", budget_keys(), config.budgets, "", nullptr);
}

}  // namespace tertulia::app
