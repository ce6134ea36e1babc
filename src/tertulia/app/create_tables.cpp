#include "tertulia/app/create_tables.h"

#include "tertulia/async/worker.h"
#include "tertulia/storage/dynamodb_store.h"

namespace tertulia::app {

int create_tables(const base::Environment& environment, std::ostream& out, std::ostream& errors) {
    const auto fail = [&](const std::string& message) {
        errors << "tertulia: " << message << '\n';
        return 1;
    };
    const auto options = storage::dynamo_options(environment);
    if (!options) return fail(options.error().message);
    const telemetry::Log log(telemetry::Level::error, telemetry::Log::Form::readable);
    storage::DynamoStore store(*options, base::system_clock(), base::system_random(), log);
    async::Worker worker([&errors](const std::string& what) { errors << "tertulia: a bug: " << what << '\n'; });
    worker.start("create-tables");
    base::Result<std::string> made = base::fail(base::Errc::internal, "nothing was done");
    worker.run_until_done([](storage::DynamoStore& store, base::Result<std::string>& made) -> async::Task<void> {
        made = co_await store.create_tables();
    }(store, made));
    worker.join();
    if (!made) return fail(made.error().message);
    out << *made;
    return 0;
}

}  // namespace tertulia::app
