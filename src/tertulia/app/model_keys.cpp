#include <algorithm>
#include <array>

#include "tertulia/app/config_sections.h"
#include "tertulia/models/model_directory.h"

namespace tertulia::app {
namespace {

bool is_hedge(std::string_view text) {
    return models::parse_hedge(text).has_value();
}

const std::array model_table = {
    Key<ModelConfig>{.path = "name",
                     .slot = TERTULIA_SLOT(ModelConfig, name),
                     .description = "The model.",
                     .allowed = "PROVIDER/MODEL",
                     .valid = is_model_name,
                     .default_note = "must be set"},
    Key<ModelConfig>{.path = "context_window",
                     .slot = TERTULIA_SLOT(ModelConfig, context_window),
                     .description =
                         "Tokens of prompt and answer together, in place of what is shipped for known models "
                         "and 128000 for unknown ones.",
                     .least = 64,
                     .most = 1'000'000'000,
                     .default_note = "must be set"},
};

const std::array route_table = {
    Key<RouteConfig>{.path = "name",
                     .slot = TERTULIA_SLOT(RouteConfig, name),
                     .description = "What a request's `model` says to use it. Not a provider's name.",
                     .allowed = "letters, digits and ._-",
                     .valid = is_provider_name,
                     .default_note = "must be set"},
    Key<RouteConfig>{.path = "targets",
                     .slot = TERTULIA_SLOT(RouteConfig, targets),
                     .description =
                         "`PROVIDER/MODEL`, the first choice first. A session stays with the one that answered "
                         "it last while that is healthy.",
                     .default_note = "must be set"},
    Key<RouteConfig>{.path = "hedge",
                     .slot = TERTULIA_SLOT(RouteConfig, hedge),
                     .description =
                         "When the second target is started beside a first one that is still silent: after a "
                         "time (`800ms`, `2s`), or after what 95 of 100 calls of this model with a prompt of "
                         "this size stayed under (`p95`). Who is first with content answers; the other is "
                         "closed, and what it cost is reported apart.",
                     .allowed = "off, p95, or a time such as 800ms or 2s",
                     .valid = is_hedge},
};

}  // namespace

bool is_model_name(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size();
}

bool is_provider_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

std::span<const Key<ModelConfig>> model_keys() {
    return model_table;
}
std::span<const Key<RouteConfig>> route_keys() {
    return route_table;
}

}  // namespace tertulia::app
