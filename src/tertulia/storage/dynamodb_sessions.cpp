#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using base::Errc;
using sessions::SessionKey;

DynamoSessions::DynamoSessions(DynamoClient& client, async::TaskGroup& tasks, async::Executor executor,
                               const base::Clock& clock, base::Random& random, const telemetry::Log& log,
                               DynamoSettings settings)
    : client_(client),
      tasks_(tasks),
      clock_(clock),
      random_(random),
      log_(log),
      settings_(std::move(settings)),
      me_(base::make_id('p', random)),
      history_(client, random, settings_.tables),
      cache_(settings_.cache_bytes),
      renewer_(async::Waiter::make(executor)) {}

base::Error DynamoSessions::told(const aws::ServiceError& error) const {
    const base::Error told = aws::to_error(error, "DynamoDB");
    log_.warn("the store fails", {{"error", told.message}});
    if (error.errc == Errc::too_large)
        return {.code = Errc::too_large, .message = "The message is too large to be stored"};
    if (error.is("ResourceNotFoundException"))
        return {.code = Errc::unavailable,
                .message = "A table of the conversation store is missing; \"tertulia create-tables\" makes it"};
    return {.code = Errc::unavailable, .message = "The conversation store cannot be reached now; try again later"};
}

std::string DynamoSessions::name_of(const SessionKey& key) {
    return key.owner + "|" + key.session_id;
}

DynamoSessions::Runs DynamoSessions::find(const SessionKey& key, const std::string& turn_id) const {
    const auto found = running_.find(name_of(key));
    return found == running_.end() || found->second->turn_id != turn_id ? nullptr : found->second;
}

void DynamoSessions::forget(const Runs& runs) {
    const auto found = running_.find(name_of(runs->key));
    if (found != running_.end() && found->second == runs) running_.erase(found);
}

bool DynamoSessions::runs_now(const SessionKey& key, const DynamoHeader& header) const {
    if (header.turn.empty()) return false;
    if (header.by == me_) return find(key, header.turn) != nullptr;
    return header.until_ms > now_ms();
}

std::string DynamoSessions::held_by_me(DynamoUpdate& update, const std::string& turn_id) const {
    return update.alias("turn") + " = " + update.value(":me", dynamo_text(turn_id)) + " AND " + update.alias("by") +
           " = " + update.value(":by_me", dynamo_text(me_));
}

async::Task<DynamoSessions::Outcome<std::optional<DynamoHeader>>> DynamoSessions::read_header(const SessionKey& key,
                                                                                              Deadline deadline) {
    auto item = co_await client_.get(settings_.tables.meta, header_key(key), deadline);
    if (!item) co_return std::unexpected(std::move(item.error()));
    if (!*item) co_return std::nullopt;
    co_return read_header_item(**item);
}

}  // namespace tertulia::storage
