#include "tertulia/sessions/session_service.h"

#include "tertulia/sessions/direct_answer.h"
#include "tertulia/sessions/shared_order.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn.h"
#include "tertulia/sessions/turn_follower.h"

namespace tertulia::sessions {
namespace {

base::Error not_ended_in_time() {
    return {.code = base::Errc::conflict, .message = "A running answer could not be ended in time; try again."};
}

}  // namespace

base::Error no_such_session() {
    return {.code = base::Errc::not_found, .message = "There is no session with this id.", .title = "No such session"};
}

base::Error no_such_turn() {
    return {
        .code = base::Errc::not_found, .message = "There is no such turn in this session.", .title = "No such turn"};
}

// -- beginning turns -------------------------------------------------------------------------------------------------

base::Result<BegunTurn> SessionService::begin(TurnRequest request) {
    request.once = {};
    auto name = make_name(request);
    return start(std::move(request), std::nullopt, std::move(name));
}

std::shared_ptr<const TurnName> SessionService::make_name(const TurnRequest& request) const {
    const std::string session_id = request.session_id.empty() ? base::make_uuid(parts_.random) : request.session_id;
    return std::make_shared<const TurnName>(
        TurnName{.key = {.owner = request.owner, .session_id = session_id},
                 .turn_id = base::make_ordered_id('t', parts_.clock.wall_us(), parts_.random)});
}

std::shared_ptr<TurnClaim> SessionService::make_claim(std::shared_ptr<const TurnName> name) const {
    return std::make_shared<TurnClaim>(TurnClaim{.name = std::move(name),
                                                 .waiter = async::Waiter::make(parts_.executor),
                                                 .executor = parts_.executor,
                                                 .stop = {}});
}

base::Result<BegunTurn> SessionService::start(TurnRequest request, std::optional<TakenUp> taken_up,
                                              std::shared_ptr<const TurnName> name, bool resumes) {
    if (request.model) {
        if (auto known = parts_.models.check(*request.model); !known) return std::unexpected(known.error());
    }
    auto claim = make_claim(name);
    claim->request_id = request.request_id;
    claim->parent = request.parent;
    if (auto entered = parts_.registry.enter(claim, request.on_busy); !entered) return std::unexpected(entered.error());
    auto log = parts_.logs.make(name);
    if (!log) {
        parts_.registry.leave(*claim);
        return std::unexpected(log.error());
    }
    if (!request.once.key.empty()) parts_.keys.bind(request.owner, request.once.key, *name);
    BegunTurn begun{.reader = TurnReader(*log, parts_.executor)};
    parts_.tasks.spawn(Turn::run(std::make_unique<Turn>(parts_, settings_, std::move(request), std::move(taken_up),
                                                        std::move(claim), *std::move(log), resumes)));
    return begun;
}

base::Result<BegunTurn> SessionService::resume(TurnName name, TurnRequest request) {
    request.owner = name.key.owner;
    request.session_id = name.key.session_id;
    request.content.clear();
    request.model.reset();
    request.system.reset();
    request.parent.clear();
    request.once = {};
    request.on_busy = OnBusy::queue;
    return start(std::move(request), std::nullopt, std::make_shared<const TurnName>(std::move(name)), true);
}

async::Task<base::Result<void>> SessionService::hand_over(TurnName name, base::Deadline deadline) {
    const auto log = parts_.logs.find(name);
    if (!log || !parts_.registry.stop(name, TurnState::running)) co_return std::unexpected(no_such_turn());
    TurnReader reader(log, parts_.executor);
    const auto result = co_await reader.wait_end(deadline);
    if (!result)
        co_return base::fail(base::Errc::timed_out, "The turn could not be handed over in time; look at it again.");
    if (result->state == TurnState::running) co_return base::Result<void>();
    co_return base::fail(base::Errc::conflict,
                         "The turn has ended here: it is " + std::string(to_string(result->state)) + ".");
}

async::Task<base::Result<BegunTurn>> SessionService::continue_turn(TurnName name, TurnRequest request) {
    request.owner = name.key.owner;
    request.session_id = name.key.session_id;
    auto as = make_name(request);
    return continue_as(std::move(name), std::move(request), std::move(as));
}

async::Task<base::Result<BegunTurn>> SessionService::continue_as(TurnName name, TurnRequest request,
                                                                 std::shared_ptr<const TurnName> as) {
    const auto stored = co_await parts_.store.turn(name);
    if (!stored) co_return std::unexpected(stored.error());
    if (!*stored) co_return std::unexpected(no_such_turn());
    const std::optional<StoredMessage>& answer = (*stored)->answer;
    if (!answer) co_return base::fail(base::Errc::conflict, "The turn is still running.");
    if (answer->state == TurnState::completed)
        co_return base::fail(base::Errc::conflict, "The turn's answer is whole: there is nothing to continue.");
    request.owner = name.key.owner;
    request.session_id = name.key.session_id;
    request.content = blocks_of((*stored)->question);
    // Behind another turn the session will have moved on: no use in waiting for that, or in ending it.
    request.on_busy = OnBusy::reject;
    co_return start(
        std::move(request),
        TakenUp{.how = TakenUp::How::continuing, .turn_id = std::move(name.turn_id), .place = answer->timestamp},
        std::move(as));
}

// -- one turn --------------------------------------------------------------------------------------------------------

async::Task<base::Result<TurnReader>> SessionService::read(TurnName name, std::uint32_t after) {
    if (auto log = parts_.logs.find(name)) co_return TurnReader(std::move(log), parts_.executor, after);
    for (const bool may_close : {true, false}) {
        const auto stored = co_await parts_.store.turn(name);
        if (!stored) co_return std::unexpected(stored.error());
        if (!*stored) co_return std::unexpected(no_such_turn());
        if (const auto& answer = (*stored)->answer) {
            auto log = parts_.logs.restore(name, *answer);
            if (!log) co_return std::unexpected(log.error());
            co_return TurnReader(*std::move(log), parts_.executor, after);
        }
        // Begun elsewhere, or between the two looks.
        if (auto log = parts_.logs.find(name)) co_return TurnReader(std::move(log), parts_.executor, after);
        if (parts_.store.is_shared()) co_return follow(name, after);
        // It has ended here, and could not be stored: now, perhaps, it can.
        if (!may_close || parts_.registry.running(name.key) == name.turn_id) break;
        const auto closed = co_await parts_.store.close_turn(name, parts_.clock.wall_us());
        if (!closed) co_return std::unexpected(closed.error());
    }
    co_return std::unexpected(base::Error{.code = base::Errc::unavailable,
                                          .message = "This turn's events are not here; try again in a moment.",
                                          .retry_after = base::Milliseconds(1000)});
}

base::Result<TurnReader> SessionService::follow(const TurnName& name, std::uint32_t after) {
    auto followed = parts_.logs.follow(name);
    if (!followed) return std::unexpected(followed.error());
    TurnReader reader(followed->log, parts_.executor, after);
    if (followed->is_new)
        parts_.tasks.spawn(follow_turn({.store = parts_.store,
                                        .logs = parts_.logs,
                                        .registry = parts_.registry,
                                        .executor = parts_.executor,
                                        .log = parts_.log,
                                        .look_again = settings_.look_again},
                                       std::move(followed->log)));
    return reader;
}

async::Task<base::Result<TurnReader>> SessionService::cancel(TurnName name, base::Deadline deadline) {
    auto reader = co_await read(name);
    if (!reader) co_return reader;
    if (!reader->result()) {
        if (!parts_.registry.stop(name, TurnState::cancelled))
            if (const auto asked = co_await parts_.store.ask_to_stop(name, TurnState::cancelled); !asked)
                co_return std::unexpected(asked.error());
        const auto result = co_await reader->wait_end(deadline);
        if (!result || result->state == TurnState::running)
            co_return base::fail(base::Errc::timed_out, "The turn could not be ended in time; look at it again.");
    }
    if (reader->result()->state != TurnState::cancelled)
        co_return base::fail(base::Errc::conflict, "The turn has already ended: it is " +
                                                       std::string(to_string(reader->result()->state)) + ".");
    co_return reader;
}

SessionFeed SessionService::feed(SessionKey key) {
    return {*this, parts_.logs, parts_.store, parts_.executor, std::move(key), settings_.look_again};
}

// -- sessions --------------------------------------------------------------------------------------------------------

async::Task<base::Result<bool>> SessionService::exists(SessionKey key) {
    if (!parts_.registry.running(key).empty()) co_return true;
    const auto opened = co_await parts_.store.open(std::move(key), 1, 1);
    if (!opened) co_return std::unexpected(opened.error());
    co_return opened->has_value();
}

async::Task<base::Result<SessionService::History>> SessionService::messages(SessionKey key, MessageQuery query) {
    // Asked before the read: a turn that ends in between shows as running with its answer there, never as neither.
    std::string running = parts_.registry.running(key);
    if (running.empty() && parts_.store.is_shared()) {
        auto elsewhere = co_await parts_.store.running_turn(key);
        if (!elsewhere) co_return std::unexpected(elsewhere.error());
        running = *std::move(elsewhere);
    }
    auto page = co_await parts_.store.messages(key, std::move(query));
    if (!page) co_return std::unexpected(page.error());
    if (!*page) co_return std::unexpected(no_such_session());
    co_return History{std::move(**page), std::move(running)};
}

async::Task<base::Result<SessionPage>> SessionService::sessions(std::string owner, std::int64_t limit,
                                                                std::string after) {
    co_return co_await parts_.store.sessions(std::move(owner), limit, std::move(after));
}

async::Task<base::Result<UsageReport>> SessionService::usage(UsageQuery query) {
    return parts_.store.usage(std::move(query));
}

async::Task<base::Result<DirectAnswer>> SessionService::ask_directly(DirectQuestion question, std::stop_token stop,
                                                                     base::Deadline deadline) {
    return sessions::ask_directly(parts_, settings_, std::move(question), std::move(stop), deadline);
}

async::Task<base::Result<void>> SessionService::remove(SessionKey key, base::Deadline deadline) {
    // Entering the session's order like a turn keeps messages that come meanwhile behind the deletion.
    const auto claim = make_claim(std::make_shared<const TurnName>(TurnName{.key = key, .turn_id = {}}));
    if (auto entered = parts_.registry.enter_behind_all(claim); !entered) co_return std::unexpected(entered.error());
    struct Place {  // given up on every way out
        TurnRegistry& registry;
        const TurnClaim& claim;
        ~Place() { registry.leave(claim); }
    } const place{parts_.registry, *claim};
    parts_.registry.stop_before(*claim, TurnState::cancelled);
    while (!parts_.registry.is_first(*claim)) {
        if (deadline.passed(parts_.clock.steady())) co_return std::unexpected(not_ended_in_time());
        co_await claim->waiter->wait(deadline);
    }
    if (parts_.store.is_shared()) co_return co_await remove_shared(*claim, deadline);
    const auto removed = co_await parts_.store.remove(key);
    parts_.logs.forget(key);
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return std::unexpected(no_such_session());
    co_return base::Result<void>{};
}

// The same among several processes: the deletion claims the session like a turn.
async::Task<base::Result<void>> SessionService::remove_shared(TurnClaim& claim, base::Deadline deadline) {
    const TurnName name{.key = claim.key(),
                        .turn_id = base::make_ordered_id('d', parts_.clock.wall_us(), parts_.random)};
    claim.interrupts = true;
    SharedOrder order({.store = parts_.store, .registry = parts_.registry}, claim, settings_.look_again);
    while (true) {
        const auto look =
            co_await order.look({.turn = name, .text = {}, .max_messages = 1, .max_bytes = 1, .stop = {}}, false);
        if (!look) co_return std::unexpected(look.error());
        if (!look->must_wait) break;
        if (deadline.passed(parts_.clock.steady())) co_return std::unexpected(not_ended_in_time());
        co_await order.wait(deadline);
    }
    const auto removed = co_await parts_.store.remove(claim.key());
    parts_.logs.forget(claim.key());
    if (!removed || !*removed) co_await parts_.store.abandon_turn(name);
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return std::unexpected(no_such_session());
    co_return base::Result<void>{};
}

}  // namespace tertulia::sessions
