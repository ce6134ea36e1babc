#include "tertulia/sessions/session_service.h"

#include "tertulia/sessions/turn.h"

namespace tertulia::sessions {

base::Result<BegunTurn> SessionService::begin(TurnRequest request) {
    if (request.model) {
        if (auto model = parts_.models.resolve(*request.model); !model) return std::unexpected(model.error());
    }
    const std::string session_id = request.session_id.empty() ? base::make_uuid(parts_.random) : request.session_id;
    auto claim = std::make_shared<TurnClaim>(TurnClaim{.key = {.owner = request.owner, .session_id = session_id},
                                                       .turn_id = base::make_id('t', parts_.random),
                                                       .waiter = async::Waiter::make(parts_.executor),
                                                       .executor = parts_.executor,
                                                       .stop = {}});
    if (auto entered = parts_.registry.enter(claim); !entered) return std::unexpected(entered.error());
    auto log = std::make_shared<TurnLog>();
    BegunTurn begun{session_id, claim->turn_id, TurnReader(log, parts_.executor)};
    parts_.tasks.spawn(
        Turn::run(std::make_unique<Turn>(parts_, settings_, std::move(request), std::move(claim), std::move(log))));
    return begun;
}

async::Task<base::Result<SessionService::History>> SessionService::messages(SessionKey key, MessageQuery query) {
    // Asked before the read: a turn that ends in between shows as running with its answer there, never as neither.
    std::string running = parts_.registry.running(key);
    auto page = co_await parts_.store.messages(key, std::move(query));
    if (!page) co_return std::unexpected(page.error());
    if (!*page) co_return base::fail(base::Errc::not_found, "There is no such session.");
    co_return History{std::move(**page), std::move(running)};
}

async::Task<base::Result<SessionPage>> SessionService::sessions(std::string owner, std::int64_t limit,
                                                                std::string after) {
    co_return co_await parts_.store.sessions(std::move(owner), limit, std::move(after));
}

async::Task<base::Result<void>> SessionService::remove(SessionKey key, base::Deadline deadline) {
    // Entering the session's order like a turn keeps messages that come meanwhile behind the deletion.
    auto claim = std::make_shared<TurnClaim>(TurnClaim{.key = key,
                                                       .turn_id = {},
                                                       .waiter = async::Waiter::make(parts_.executor),
                                                       .executor = parts_.executor,
                                                       .stop = {}});
    if (auto entered = parts_.registry.enter(claim, TurnRegistry::Line::unbounded); !entered)
        co_return std::unexpected(entered.error());
    parts_.registry.stop_before(*claim, TurnState::cancelled);
    while (!parts_.registry.is_first(*claim)) {
        if (deadline.passed(parts_.clock.steady())) {
            parts_.registry.leave(*claim);
            co_return base::fail(base::Errc::conflict, "A running answer could not be ended in time; try again.");
        }
        co_await claim->waiter->wait(deadline);
    }
    const auto removed = co_await parts_.store.remove(key);
    parts_.registry.leave(*claim);
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return base::fail(base::Errc::not_found, "There is no such session.");
    co_return base::Result<void>{};
}

}  // namespace tertulia::sessions
