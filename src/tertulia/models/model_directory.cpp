#include "tertulia/models/model_directory.h"

#include <fmt/format.h>

namespace tertulia::models {

void ModelDirectory::add(std::string name, Entry entry) {
    entries_.insert_or_assign(std::move(name), std::move(entry));
}

base::Result<ModelRef> ModelDirectory::resolve(std::string_view name) const {
    const auto list = [&] {
        std::string names;
        for (const auto& [known, entry] : entries_) names += fmt::format("{}{}", names.empty() ? "" : ", ", known);
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
    const Entry& entry = found->second;
    return ModelRef{.provider = entry.provider.get(),
                    .model = std::string(model),
                    .name = fmt::format("{}/{}", provider, model),
                    .deadlines = entry.deadlines,
                    .always_stream = entry.always_stream,
                    .readiness = entry.readiness};
}

}  // namespace tertulia::models
