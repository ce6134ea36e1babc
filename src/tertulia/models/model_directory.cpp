#include "tertulia/models/model_directory.h"

#include <fmt/format.h>

#include <charconv>

namespace tertulia::models {

void ModelDirectory::add(std::string name, Entry entry) {
    entries_.insert_or_assign(std::move(name), std::move(entry));
}

std::optional<Hedge> parse_hedge(std::string_view text) {
    constexpr std::int64_t most_ms = 600'000;
    if (text == "off") return Hedge{};
    if (text == "p95") return Hedge{.kind = Hedge::Kind::p95};
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (error != std::errc() || number < 1 || number > most_ms || (unit != "ms" && unit != "s")) return std::nullopt;
    const base::Milliseconds delay(unit == "s" ? number * 1000 : number);
    if (delay.count() > most_ms) return std::nullopt;
    return Hedge{.kind = Hedge::Kind::fixed, .delay = delay};
}

base::Result<void> ModelDirectory::add_route(std::string name, const std::vector<std::string>& targets, Hedge hedge) {
    if (entries_.contains(name))
        return base::fail(base::Errc::invalid_request, fmt::format("The route \"{}\" has a provider's name.", name));
    if (targets.empty())
        return base::fail(base::Errc::invalid_request, fmt::format("The route \"{}\" has no targets.", name));
    ModelRoute route{.targets = {}, .hedge = hedge};
    for (const std::string& target : targets) {
        base::Result<ModelRef> model = resolve_model(target);
        if (!model) return std::unexpected(std::move(model.error()));
        route.targets.push_back(std::move(*model));
    }
    routes_.insert_or_assign(std::move(name), std::move(route));
    return {};
}

base::Result<ModelRoute> ModelDirectory::resolve(std::string_view name) const {
    if (const auto route = routes_.find(name); route != routes_.end()) return route->second;
    base::Result<ModelRef> model = resolve_model(name);
    if (!model) return std::unexpected(std::move(model.error()));
    ModelRoute route;
    route.targets.push_back(std::move(*model));
    return route;
}

base::Result<void> ModelDirectory::check(std::string_view name) const {
    if (routes_.contains(name)) return {};
    const base::Result<Found> found = find(name);
    return found ? base::Result<void>() : std::unexpected(found.error());
}

base::Result<ModelRef> ModelDirectory::resolve_model(std::string_view name) const {
    const base::Result<Found> found = find(name);
    if (!found) return std::unexpected(found.error());
    const Entry& entry = *found->entry;
    std::string full;
    full.reserve(found->provider.size() + 1 + found->model.size());
    full.append(found->provider).append("/").append(found->model);
    return ModelRef{.provider = entry.provider.get(),
                    .provider_name = std::string(found->provider),
                    .model = std::string(found->model),
                    .name = std::move(full),
                    .deadlines = entry.deadlines,
                    .always_stream = entry.always_stream,
                    .readiness = entry.readiness};
}

base::Result<ModelDirectory::Found> ModelDirectory::find(std::string_view name) const {
    const auto list = [&] {
        std::string names;
        for (const auto& [known, entry] : entries_) names += fmt::format("{}{}", names.empty() ? "" : ", ", known);
        if (!routes_.empty()) names += "; or a route:";
        for (const auto& [known, route] : routes_) names += fmt::format(" {}", known);
        return names;
    };
    std::string_view provider = default_provider_, model = name;
    if (const auto slash = name.find('/'); slash != name.npos) {
        provider = name.substr(0, slash);
        model = name.substr(slash + 1);
    } else if (provider.empty() && entries_.size() == 1) {
        provider = entries_.begin()->first;
    }
    const auto found = entries_.find(provider);
    if (found == entries_.end())
        return base::fail(
            base::Errc::invalid_request,
            fmt::format("There is no provider for the model \"{}\"; write PROVIDER/MODEL with one of: {}.",
                        name.substr(0, 200), list()));
    if (model.empty())
        return base::fail(base::Errc::invalid_request, fmt::format("The model \"{}\" names no model: write {}/MODEL.",
                                                                   name.substr(0, 200), provider));
    return Found{.entry = &found->second, .provider = provider, .model = model};
}

}  // namespace tertulia::models
