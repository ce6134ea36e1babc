#include "tertulia/app/subscribers.h"

#include "tertulia/aws/profiles.h"
#include "tertulia/aws/region.h"
#include "tertulia/storage/dynamodb_connections.h"
#include "tertulia/storage/dynamodb_store.h"
#include "tertulia/storage/memory_connections.h"

namespace tertulia::app {

Subscribers::Subscribers(const Parts& parts, const api::ChatDefaults& chat, bool every_turn)
    : gateway_{.client = parts.client,
               .credentials = parts.credentials,
               .environment = parts.shared.environment,
               .clock = parts.shared.clock,
               .random = parts.shared.random,
               .region = aws::find_region(parts.shared.environment, aws::read_profiles(parts.shared.environment))} {
    make_connections(parts);
    broadcast_.emplace(lambda::TurnBroadcast::Parts{.sessions = parts.sessions,
                                                    .connections = *connections_,
                                                    .gateway = gateway_,
                                                    .tasks = parts.worker.tasks(),
                                                    .executor = parts.worker.executor(),
                                                    .clock = parts.shared.clock,
                                                    .log = parts.shared.log},
                       lambda::TurnBroadcast::Settings{.every_turn = every_turn, .chat = chat});
    parts.sessions.set_audience(*broadcast_);
}

void Subscribers::make_connections(const Parts& parts) {
    const SharedParts& shared = parts.shared;
    const auto options = storage::dynamo_options(shared.environment);
    if (shared.config.store != "dynamodb:" || !options) {
        connections_ = std::make_unique<storage::MemoryConnections>(shared.clock);
        return;
    }
    dynamo_service_.emplace(parts.client, parts.credentials, shared.clock, shared.random, options->service);
    dynamo_.emplace(*dynamo_service_);
    connections_ = std::make_unique<storage::DynamoConnections>(*dynamo_, shared.clock, options->settings.tables.meta);
}

}  // namespace tertulia::app
