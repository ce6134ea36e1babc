#include "tertulia/storage/memory_connections.h"

#include <algorithm>

namespace tertulia::storage {

using async::Task;
using base::Result;
using sessions::SessionKey;
using sessions::SocketSubscription;

MemoryConnections::Connection* MemoryConnections::find(const std::string& connection_id) {
    const auto found = all_.find(connection_id);
    if (found == all_.end()) return nullptr;
    if (found->second.expires_us > clock_.wall_us()) return &found->second;
    all_.erase(found);
    return nullptr;
}

SocketSubscription* MemoryConnections::find(const std::string& connection_id, const SessionKey& key) {
    Connection* connection = find(connection_id);
    if (!connection) return nullptr;
    const auto found = std::ranges::find(connection->subscriptions, key, &SocketSubscription::key);
    return found == connection->subscriptions.end() ? nullptr : &*found;
}

Task<Result<void>> MemoryConnections::add(std::string connection_id, std::string, std::int64_t expires_us) {
    std::erase_if(all_, [now = clock_.wall_us()](const auto& one) { return one.second.expires_us <= now; });
    all_.insert_or_assign(std::move(connection_id), Connection{.expires_us = expires_us});
    co_return Result<void>();
}

Task<Result<void>> MemoryConnections::remove(std::string connection_id) {
    all_.erase(connection_id);
    co_return Result<void>();
}

Task<Result<bool>> MemoryConnections::subscribe(SocketSubscription subscription) {
    Connection* connection = find(subscription.connection_id);
    if (!connection || find(subscription.connection_id, subscription.key)) co_return false;
    subscription.expires_us = connection->expires_us;
    connection->subscriptions.push_back(std::move(subscription));
    co_return true;
}

Task<Result<void>> MemoryConnections::unsubscribe(std::string connection_id, SessionKey key) {
    if (Connection* connection = find(connection_id))
        std::erase_if(connection->subscriptions, [&](const auto& one) { return one.key == key; });
    co_return Result<void>();
}

Task<Result<void>> MemoryConnections::stop_waiting(SocketSubscription subscription) {
    SocketSubscription* found = find(subscription.connection_id, subscription.key);
    if (found && found->number == subscription.number) found->waits_until_us = 0;
    co_return Result<void>();
}

Task<Result<std::vector<SocketSubscription>>> MemoryConnections::subscriptions(SessionKey key) {
    std::vector<SocketSubscription> found;
    for (const auto& [id, connection] : all_)
        if (connection.expires_us > clock_.wall_us())
            std::ranges::copy_if(connection.subscriptions, std::back_inserter(found),
                                 [&](const auto& one) { return one.key == key; });
    co_return found;
}

Task<Result<std::optional<std::uint32_t>>> MemoryConnections::claim(SocketSubscription subscription,
                                                                    std::string turn_id, std::string by) {
    Connection* connection = find(subscription.connection_id);
    if (!connection) co_return std::nullopt;
    Claim& claim = connection->claims[std::move(turn_id)];
    if (claim.number != subscription.number) claim = Claim{.number = std::move(subscription.number), .by = {}};
    if (!claim.by.empty() && claim.by != by) co_return std::nullopt;
    claim.by = std::move(by);
    co_return claim.told;
}

Task<Result<void>> MemoryConnections::release(SocketSubscription subscription, std::string turn_id,
                                              std::uint32_t told) {
    Connection* connection = find(subscription.connection_id);
    if (!connection) co_return Result<void>();
    const auto found = connection->claims.find(turn_id);
    if (found != connection->claims.end() && found->second.number == subscription.number)
        found->second = Claim{.number = std::move(subscription.number), .by = {}, .told = told};
    co_return Result<void>();
}

}  // namespace tertulia::storage
