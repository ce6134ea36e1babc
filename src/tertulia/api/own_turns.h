// The turns that a client hears of without its subscriptions.
#pragma once

#include <map>
#include <string>

namespace tertulia::api {

/// Of one WebSocket: the turns that it began or resumed, until neither it nor a subscription to their session has more
/// of them to give. One per worker.
class OwnTurns {
  public:
    void add(const std::string& turn_id, const std::string& session_id);
    bool contains(const std::string& turn_id) const { return turns_.contains(turn_id); }
    /// The client was told all of it. `is_subscribed`: a subscription to its session will come to it.
    void told(const std::string& turn_id, bool is_subscribed);
    /// A subscription has come to its end.
    void passed(const std::string& turn_id) { turns_.erase(turn_id); }
    /// Nobody subscribes to the session any more.
    void unsubscribed(const std::string& session_id);
    std::size_t size() const { return turns_.size(); }

  private:
    struct Turn {
        std::string session_id;
        bool is_told = false;
    };
    std::map<std::string, Turn> turns_;
};

}  // namespace tertulia::api
