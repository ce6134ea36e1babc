#include "tertulia/storage/open_store.h"

#include <fmt/format.h>

#include "tertulia/storage/dynamodb_store.h"
#include "tertulia/storage/memory_store.h"
#include "tertulia/storage/open_sqlite.h"

namespace tertulia::storage {

namespace {

constexpr std::string_view sqlite = "sqlite:";

// SQLite's own name for a database in memory would be a different one for each connection.
bool is_sqlite(std::string_view spec) {
    return spec.starts_with(sqlite) && spec.size() > sqlite.size() && spec != "sqlite::memory:";
}

}  // namespace

bool is_store(std::string_view spec) {
    return spec == "memory:" || spec == "dynamodb:" || is_sqlite(spec);
}

base::Result<std::unique_ptr<sessions::SessionStore>> open_store(std::string_view spec, const telemetry::Log& log,
                                                                 PriceBill priced, const base::Environment& environment,
                                                                 const base::Clock& clock, base::Random& random) {
    if (spec == "memory:") return std::make_unique<MemoryStore>();
    if (is_sqlite(spec)) return open_sqlite(std::string(spec.substr(sqlite.size())), log, std::move(priced));
    if (spec == "dynamodb:") {
        auto options = dynamo_options(environment);
        if (!options) return std::unexpected(options.error());
        options->settings.priced = std::move(priced);
        return std::make_unique<DynamoStore>(std::move(*options), clock, random, log);
    }
    return base::fail(base::Errc::invalid_request, fmt::format("The store must be {}, not \"{}\"", store_kinds, spec));
}

}  // namespace tertulia::storage
