// SessionService: beginning what must not be begun twice.
#include "tertulia/sessions/look_pause.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::sessions {
namespace {

// What a turn takes, at most, from its place in the queue to the message's being stored; also where the store is slow.
constexpr base::Milliseconds longest_beginning{30'000};

base::Error key_of_another_body() {
    return {.code = base::Errc::invalid_request,
            .message = "This Idempotency-Key was used for another request; choose a new one for a new request.",
            .title = "Idempotency-Key used before",
            .status = 422};
}

}  // namespace

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
    const bool is_shared = parts_.store.is_shared();
    const OnceKey once = request.once;
    if (continues) request.session_id = continues->key.session_id;
    std::shared_ptr<const TurnName> name;
    std::optional<TakenUp> taken_up;
    std::string instead_of;
    LookPause pause(settings_.look_again);
    while (true) {
        name = make_name(request);
        if (once.is_fresh && !is_shared) break;
        // On a store of one process this only looks: the key is claimed by the caller, and kept with the message.
        const std::int64_t now_us = parts_.clock.wall_us();
        const auto known =
            co_await parts_.store.claim_key(request.owner, once.record(*name, now_us), instead_of, now_us);
        if (!known) co_return std::unexpected(known.error());
        if (!*known) break;  // it is this turn's
        const IdempotencyRecord& record = **known;
        instead_of = record.turn_id;
        if (once.is_fresh) continue;
        if (record.fingerprint != once.fingerprint) co_return std::unexpected(key_of_another_body());
        auto what = co_await look_up(record, request);
        if (!what) co_return std::unexpected(what.error());
        if (what->joins) co_return *std::move(what->joins);
        request.session_id = record.session_id;  // the session that the key has made
        if (what->must_wait) {
            instead_of.clear();
            co_await async::Waiter::make(parts_.executor)->wait(base::Deadline::after(pause.next()));
            continue;
        }
        if (what->retries && continues)
            continues =
                TurnName{.key = {.owner = request.owner, .session_id = record.session_id}, .turn_id = record.turn_id};
        else
            taken_up = std::move(what->retries);
        if (!is_shared) {
            name = make_name(request);
            break;
        }
    }
    const std::string owner = request.owner;
    auto begun = continues ? co_await continue_as(*std::move(continues), std::move(request), name)
                           : start(std::move(request), std::move(taken_up), name);
    if (!begun && is_shared) co_await parts_.store.free_key(owner, once.key, name->turn_id);
    co_return begun;
}

async::Task<base::Result<SessionService::Known>> SessionService::look_up(const IdempotencyRecord& record,
                                                                         const TurnRequest& request) {
    const TurnName name{.key = {.owner = request.owner, .session_id = record.session_id}, .turn_id = record.turn_id};
    auto stored = co_await parts_.store.turn(name);
    if (!stored) co_return std::unexpected(stored.error());
    Known known;
    const StoredMessage* answer = *stored && (*stored)->answer ? &*(*stored)->answer : nullptr;
    if (!*stored) {
        known.must_wait = parts_.store.is_shared() && co_await may_still_begin(record, request);
    } else if (answer && frees_its_key(*answer)) {
        known.retries = TakenUp{.how = TakenUp::How::retrying, .turn_id = record.turn_id, .place = answer->timestamp};
    } else {
        auto reader = co_await read(name);
        if (!reader) co_return std::unexpected(reader.error());
        known.joins.emplace(BegunTurn{.reader = *std::move(reader), .is_replay = true});
    }
    co_return known;
}

// The turn that has claimed a key is not in the store: does it wait or prepare in another process?
async::Task<bool> SessionService::may_still_begin(const IdempotencyRecord& record, const TurnRequest& request) {
    const TurnName name{.key = {.owner = request.owner, .session_id = record.session_id}, .turn_id = record.turn_id};
    if (const auto log = parts_.logs.find(name)) co_return !log->result();
    const auto running = co_await parts_.store.running_turn(name.key);
    if (running && *running == record.turn_id) co_return true;
    const base::Milliseconds longest = settings_.queue_limit + longest_beginning - request.once.remembered_for;
    co_return parts_.clock.wall_us() < record.expires_us + std::chrono::microseconds(longest).count();
}

}  // namespace tertulia::sessions
