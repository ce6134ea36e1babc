#include "tertulia/lambda/connection_peers.h"

#include <utility>

namespace tertulia::lambda {

async::Task<void> ConnectionPeers::began(sessions::TurnName turn) {
    (void)co_await connections_.note_turn(connection_id_, turn.key.session_id, turn.turn_id);
}

async::Task<api::SocketPeers::Feed> ConnectionPeers::look(std::string session_id, std::string turn_id) {
    const auto found = co_await connections_.find(connection_id_);
    if (!found) co_return Feed::send;
    if (!*found) co_return Feed::stop;
    const auto subscription = (*found)->subscriptions.find(session_id);
    if (subscription == (*found)->subscriptions.end() || subscription->second != number_) co_return Feed::stop;
    co_return (*found)->own_turns.contains(turn_id) ? Feed::pass : Feed::send;
}

}  // namespace tertulia::lambda
