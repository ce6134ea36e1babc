#include "tertulia/storage/memory_connections.h"

#include <utility>

namespace tertulia::storage {

using async::Task;
using base::Result;
using sessions::SocketConnection;

MemoryConnections::Kept* MemoryConnections::kept(const std::string& id) {
    const auto found = all_.find(id);
    if (found == all_.end()) return nullptr;
    if (found->second.expires_us > clock_.wall_us()) return &found->second;
    all_.erase(found);
    return nullptr;
}

Task<Result<void>> MemoryConnections::add(SocketConnection connection, std::int64_t expires_us) {
    std::erase_if(all_, [now = clock_.wall_us()](const auto& one) { return one.second.expires_us <= now; });
    std::string id = connection.id;
    all_.insert_or_assign(std::move(id), Kept{.connection = std::move(connection), .expires_us = expires_us});
    co_return Result<void>();
}

Task<Result<void>> MemoryConnections::remove(std::string id) {
    all_.erase(id);
    co_return Result<void>();
}

Task<Result<std::optional<SocketConnection>>> MemoryConnections::find(std::string id) {
    const Kept* found = kept(id);
    if (!found) co_return std::nullopt;
    co_return found->connection;
}

Task<Result<bool>> MemoryConnections::subscribe(std::string id, std::string session_id, std::string number) {
    Kept* found = kept(id);
    if (!found) co_return false;
    if (number.empty())
        found->connection.subscriptions.erase(session_id);
    else
        found->connection.subscriptions[session_id] = std::move(number);
    co_return true;
}

Task<Result<void>> MemoryConnections::note_turn(std::string id, std::string session_id, std::string turn_id) {
    Kept* found = kept(id);
    if (found && found->connection.subscriptions.contains(session_id))
        found->connection.own_turns.insert(std::move(turn_id));
    co_return Result<void>();
}

}  // namespace tertulia::storage
