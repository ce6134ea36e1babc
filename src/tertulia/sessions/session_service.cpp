#include "tertulia/sessions/session_service.h"

#include "tertulia/sessions/direct_answer.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn.h"

namespace tertulia::sessions {

namespace {

base::Error key_of_another_body() {
    return {.code = base::Errc::invalid_request,
            .message = "This Idempotency-Key was used for another request; choose a new one for a new request.",
            .title = "Idempotency-Key used before",
            .status = 422};
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
    return start(std::move(request), std::nullopt);
}

base::Result<BegunTurn> SessionService::start(TurnRequest request, std::optional<TakenUp> taken_up) {
    if (request.model) {
        if (auto known = parts_.models.check(*request.model); !known) return std::unexpected(known.error());
    }
    const std::string session_id = request.session_id.empty() ? base::make_uuid(parts_.random) : request.session_id;
    auto name = std::make_shared<const TurnName>(
        TurnName{.key = {.owner = request.owner, .session_id = session_id},
                 .turn_id = base::make_ordered_id('t', parts_.clock.wall_us(), parts_.random)});
    auto claim = std::make_shared<TurnClaim>(TurnClaim{.key = name->key,
                                                       .turn_id = name->turn_id,
                                                       .waiter = async::Waiter::make(parts_.executor),
                                                       .executor = parts_.executor,
                                                       .stop = {},
                                                       .request_id = request.request_id});
    if (auto entered = parts_.registry.enter(claim, request.on_busy); !entered) return std::unexpected(entered.error());
    auto log = parts_.logs.make(name);
    if (!log) {
        parts_.registry.leave(*claim);
        return std::unexpected(log.error());
    }
    if (!request.once.key.empty()) parts_.keys.bind(request.owner, request.once.key, *name);
    BegunTurn begun{.reader = TurnReader(*log, parts_.executor)};
    parts_.tasks.spawn(Turn::run(std::make_unique<Turn>(parts_, settings_, std::move(request), std::move(taken_up),
                                                        std::move(claim), *std::move(log))));
    return begun;
}

async::Task<base::Result<BegunTurn>> SessionService::begin_once(TurnRequest request,
                                                                std::optional<TurnName> continues) {
    const std::string owner = request.owner, key = request.once.key;
    const auto waiter = async::Waiter::make(parts_.executor);
    while (true) {
        const IdempotencyKeys::Claim claim =
            parts_.keys.claim(owner, key, request.once.fingerprint, request.once.is_fresh, waiter);
        switch (claim.outcome) {
            case IdempotencyKeys::Outcome::mismatch:
                co_return std::unexpected(key_of_another_body());
            case IdempotencyKeys::Outcome::joins: {
                auto reader = co_await read(claim.turn);
                if (!reader) co_return std::unexpected(reader.error());
                co_return BegunTurn{.reader = *std::move(reader), .is_replay = true};
            }
            case IdempotencyKeys::Outcome::wait:
                co_await waiter->wait(base::Deadline::never());
                continue;
            case IdempotencyKeys::Outcome::mine:
                break;
        }
        try {
            auto begun = co_await begin_claimed(std::move(request), std::move(continues));
            // A turn that runs gives the key up itself.
            if (!begun || begun->is_replay) parts_.keys.release(owner, key, {});
            co_return begun;
        } catch (...) {
            parts_.keys.release(owner, key, {});  // even a bug must not leave others waiting for it
            throw;
        }
    }
}

async::Task<base::Result<BegunTurn>> SessionService::begin_claimed(TurnRequest request,
                                                                   std::optional<TurnName> continues) {
    if (request.once.is_fresh) co_return co_await begin_new(std::move(request), std::move(continues));
    const auto known = co_await parts_.store.idempotency(request.owner, request.once.key, parts_.clock.wall_us());
    if (!known) co_return std::unexpected(known.error());
    if (!*known) co_return co_await begin_new(std::move(request), std::move(continues));
    const IdempotencyRecord& record = **known;
    if (record.fingerprint != request.once.fingerprint) co_return std::unexpected(key_of_another_body());
    const TurnName name{.key = {.owner = request.owner, .session_id = record.session_id}, .turn_id = record.turn_id};
    auto stored = co_await parts_.store.turn(name);
    if (!stored) co_return std::unexpected(stored.error());
    const StoredMessage* answer = *stored && (*stored)->answer ? &*(*stored)->answer : nullptr;
    request.session_id = record.session_id;  // the session that the key has made
    if (!*stored) co_return co_await begin_new(std::move(request), std::move(continues));
    if (answer && frees_its_key(*answer)) {
        if (continues) co_return co_await continue_turn(name, std::move(request));
        co_return start(std::move(request),
                        TakenUp{.how = TakenUp::How::retrying, .turn_id = record.turn_id, .place = answer->timestamp});
    }
    auto reader = co_await read(name);
    if (!reader) co_return std::unexpected(reader.error());
    co_return BegunTurn{.reader = *std::move(reader), .is_replay = true};
}

async::Task<base::Result<BegunTurn>> SessionService::begin_new(TurnRequest request, std::optional<TurnName> continues) {
    if (continues) co_return co_await continue_turn(*std::move(continues), std::move(request));
    co_return start(std::move(request), std::nullopt);
}

async::Task<base::Result<BegunTurn>> SessionService::continue_turn(TurnName name, TurnRequest request) {
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
        TakenUp{.how = TakenUp::How::continuing, .turn_id = std::move(name.turn_id), .place = answer->timestamp});
}

// -- one turn --------------------------------------------------------------------------------------------------------

async::Task<base::Result<TurnReader>> SessionService::read(TurnName name, std::uint32_t after) {
    if (auto log = parts_.logs.find(name)) co_return TurnReader(std::move(log), parts_.executor, after);
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
    co_return std::unexpected(base::Error{.code = base::Errc::unavailable,
                                          .message = "This turn's events are not here; try again in a moment.",
                                          .retry_after = base::Milliseconds(1000)});
}

async::Task<base::Result<TurnReader>> SessionService::cancel(TurnName name, base::Deadline deadline) {
    auto reader = co_await read(name);
    if (!reader) co_return reader;
    if (!reader->result()) {
        ask_to_cancel(name);
        if (!co_await reader->wait_end(deadline))
            co_return base::fail(base::Errc::timed_out, "The turn could not be ended in time; look at it again.");
    }
    if (reader->result()->state != TurnState::cancelled)
        co_return base::fail(base::Errc::conflict, "The turn has already ended: it is " +
                                                       std::string(to_string(reader->result()->state)) + ".");
    co_return reader;
}

SessionFeed SessionService::feed(SessionKey key) {
    return {*this, parts_.logs, parts_.store, parts_.executor, std::move(key)};
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
    auto claim = std::make_shared<TurnClaim>(TurnClaim{.key = key,
                                                       .turn_id = {},
                                                       .waiter = async::Waiter::make(parts_.executor),
                                                       .executor = parts_.executor,
                                                       .stop = {}});
    if (auto entered = parts_.registry.enter_behind_all(claim); !entered) co_return std::unexpected(entered.error());
    struct Place {  // given up on every way out
        TurnRegistry& registry;
        const TurnClaim& claim;
        ~Place() { registry.leave(claim); }
    } const place{parts_.registry, *claim};
    parts_.registry.stop_before(*claim, TurnState::cancelled);
    while (!parts_.registry.is_first(*claim)) {
        if (deadline.passed(parts_.clock.steady()))
            co_return base::fail(base::Errc::conflict, "A running answer could not be ended in time; try again.");
        co_await claim->waiter->wait(deadline);
    }
    const auto removed = co_await parts_.store.remove(key);
    parts_.logs.forget(key);
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return std::unexpected(no_such_session());
    co_return base::Result<void>{};
}

}  // namespace tertulia::sessions
