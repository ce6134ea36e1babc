#include "tertulia/lambda/turn_broadcast.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tertulia/api/socket_session.h"

namespace tertulia::lambda {
namespace {

using async::Task;
using sessions::SocketSubscription;

constexpr std::chrono::seconds for_a_release{1};

}  // namespace

/// One subscriber who is told of one turn.
struct TurnBroadcast::Telling {
    SocketSubscription subscription;
    std::shared_ptr<GatewaySocket> socket;
    std::optional<api::SocketSession> session;
    bool is_gone = false;  // the client has left
};

/// One turn, and who is told of it.
struct TurnBroadcast::Turn {
    Turn(std::shared_ptr<sessions::TurnLog> log_, std::string_view request_id_, std::string own, const Parts& parts)
        : log(std::move(log_)),
          request_id(request_id_),
          own_connection(std::move(own)),
          tasks(parts.executor, [&log = parts.log](const std::string& what) {
              log.error("bug in telling subscribers", {{"what", what}});
          }) {}

    const std::shared_ptr<sessions::TurnLog> log;
    const std::string request_id;
    const std::string own_connection;                          // is told otherwise; empty: none
    std::map<std::string, std::shared_ptr<Telling>> tellings;  // by connection; null: it is told otherwise
    async::TaskGroup tasks;                                    // one for each telling
};

TurnBroadcast::TurnBroadcast(Parts parts, Settings settings) : parts_(std::move(parts)), settings_(settings) {}

TurnBroadcast::~TurnBroadcast() = default;

// -- what a client is told otherwise ---------------------------------------------------------------------------------

TurnBroadcast::Origin::Origin(TurnBroadcast& broadcast, std::string request_id, std::string connection_id)
    : broadcast_(&broadcast), request_id_(std::move(request_id)) {
    broadcast_->origins_[request_id_] = std::move(connection_id);
}

TurnBroadcast::Origin::Origin(Origin&& other) noexcept
    : broadcast_(std::exchange(other.broadcast_, nullptr)), request_id_(std::move(other.request_id_)) {}

TurnBroadcast::Origin::~Origin() {
    if (broadcast_) broadcast_->origins_.erase(request_id_);
}

// -- turns -----------------------------------------------------------------------------------------------------------

std::string TurnBroadcast::told_already(std::string_view request_id) const {
    const auto origin = origins_.find(request_id);
    return origin == origins_.end() ? std::string() : origin->second;
}

void TurnBroadcast::started(const std::shared_ptr<sessions::TurnLog>& log, std::string_view request_id) {
    std::string own_connection = told_already(request_id);
    if (own_connection.empty() && !settings_.every_turn) return;
    auto turn = std::make_shared<Turn>(log, request_id, std::move(own_connection), parts_);
    turns_.push_back(turn);
    parts_.tasks.spawn(tell(std::move(turn)));
}

Task<void> TurnBroadcast::tell(std::shared_ptr<Turn> turn) {
    sessions::TurnReader reader(turn->log, parts_.executor);
    bool is_open = true;
    while (is_open) {
        co_await look(*turn);
        is_open = !co_await reader.wait_end(base::Deadline::after(settings_.look_again));
    }
    // Who subscribed before this look is told here, and who did so after it found the turn ended.
    if (!co_await look(*turn)) {
        // Another process has still the right to tell somebody, maybe since it hands the turn over just now.
        co_await async::Waiter::make(parts_.executor)->wait(base::Deadline::after(for_a_release));
        co_await look(*turn);
    }
    co_await turn->tasks.join(base::Deadline::never());
    std::erase(turns_, turn);
    for (const auto& watcher : watchers_)
        if (const auto there = watcher.lock()) there->wake();
    std::erase_if(watchers_, [](const auto& watcher) { return watcher.expired(); });
}

/// False: there is somebody whom another process tells.
Task<bool> TurnBroadcast::look(Turn& turn) {
    const auto found = co_await parts_.connections.subscriptions(turn.log->name().key);
    if (!found) {
        parts_.log.warn("subscribers cannot be looked for",
                        {{"turn", turn.log->name().turn_id}, {"reason", found.error().message}});
        co_return false;
    }
    std::erase_if(turn.tellings, [&](const auto& one) {
        const auto& [connection_id, telling] = one;
        const bool is_there = std::ranges::any_of(*found, [&](const SocketSubscription& subscription) {
            return subscription.connection_id == connection_id &&
                   (!telling || subscription.number == telling->subscription.number);
        });
        if (!is_there && telling && telling->session) telling->session->stop();
        return !is_there;
    });
    bool all = true;
    for (const SocketSubscription& subscription : *found)
        if (!turn.tellings.contains(subscription.connection_id)) all = co_await join(turn, subscription) && all;
    co_return all;
}

Task<bool> TurnBroadcast::join(Turn& turn, SocketSubscription subscription) {
    const sessions::TurnName& name = turn.log->name();
    if (subscription.connection_id == turn.own_connection) {
        turn.tellings[subscription.connection_id] = nullptr;
        co_return true;
    }
    if (subscription.waits_until_us > parts_.clock.wall_us()) co_return true;
    const auto claimed = co_await parts_.connections.claim(subscription, name.turn_id, turn.request_id);
    if (!claimed)
        parts_.log.warn("a subscriber cannot be told", {{"turn", name.turn_id}, {"reason", claimed.error().message}});
    if (!claimed || !*claimed) co_return false;
    std::uint32_t after = **claimed;
    if (subscription.last_turn == name.turn_id) after = std::max(after, subscription.last_number);
    const auto telling = std::make_shared<Telling>();
    telling->subscription = std::move(subscription);
    turn.tellings[telling->subscription.connection_id] = telling;
    turn.tasks.spawn(tell_one(turn, telling, after));
    co_return true;
}

Task<void> TurnBroadcast::tell_one(Turn& turn, std::shared_ptr<Telling> telling, std::uint32_t after) {
    const SocketSubscription& subscription = telling->subscription;
    const auto stage = read_address(subscription.address);
    if (!stage) co_return;  // written by another program
    auto socket = GatewaySocket::make(
        parts_.gateway, {.connection_id = subscription.connection_id, .stage = *stage},
        [this, telling = telling.get()](const aws::ServiceError& error, bool is_gone) {
            telling->is_gone = is_gone;
            parts_.log.write(is_gone ? telemetry::Level::info : telemetry::Level::warn, "a client has left",
                             {{"connection", telling->subscription.connection_id}, {"reason", error.message}});
        });
    if (!socket) co_return;
    telling->socket = *std::move(socket);
    telling->session.emplace(
        parts_.sessions, parts_.clock, settings_.chat, telling->socket, turn.request_id, parts_.executor,
        [&log = parts_.log](const std::string& what) { log.error("bug in a socket", {{"what", what}}); },
        api::SocketManner{.limits = api::FrameLimits{}, .pace = settings_.pace});
    co_await telling->session->serve(sessions::TurnReader(turn.log, parts_.executor, after), subscription.client_id);
    if (telling->is_gone) {
        (void)co_await parts_.connections.remove(subscription.connection_id);
        (void)co_await parts_.connections.unsubscribe(subscription.connection_id, subscription.key);
    } else if (turn.log->was_left()) {
        (void)co_await parts_.connections.release(subscription, turn.log->name().turn_id,
                                                  telling->session->turn_place().number);
    }
}

// -- invocations -----------------------------------------------------------------------------------------------------

bool TurnBroadcast::is_telling(std::string_view request_id) const {
    return std::ranges::any_of(turns_, [&](const auto& turn) { return turn->request_id == request_id; });
}

Task<bool> TurnBroadcast::finish(std::string request_id, base::Deadline deadline) {
    if (!is_telling(request_id)) co_return true;
    const auto waiter = async::Waiter::make(parts_.executor);
    watchers_.push_back(waiter);
    while (is_telling(request_id)) {
        if (deadline.passed(parts_.clock.steady())) co_return false;
        co_await waiter->wait(deadline);
    }
    co_return true;
}

}  // namespace tertulia::lambda
