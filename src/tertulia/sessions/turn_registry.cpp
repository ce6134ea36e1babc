#include "tertulia/sessions/turn_registry.h"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "tertulia/sessions/turn_result.h"

namespace tertulia::sessions {
namespace {

base::Error closing() {
    return {.code = base::Errc::unavailable, .message = "The server is shutting down; try again in a moment."};
}

}  // namespace

std::string_view to_string(OnBusy what) {
    switch (what) {
        case OnBusy::queue:
            return "queue";
        case OnBusy::reject:
            return "reject";
        case OnBusy::interrupt:
            return "interrupt";
    }
    return "queue";
}

std::optional<OnBusy> parse_on_busy(std::string_view text) {
    for (const OnBusy what : {OnBusy::queue, OnBusy::reject, OnBusy::interrupt})
        if (text == to_string(what)) return what;
    return std::nullopt;
}

base::Error TurnClaim::why_stopped() const {
    return stop_why ? *stop_why : error_of(stop_as);
}

base::Result<void> TurnRegistry::enter(std::shared_ptr<TurnClaim> claim, OnBusy on_busy) {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::unexpected(closing());
    if (size_ >= max_turns_) return std::unexpected(too_much_at_once());
    auto& claims = lines_[line_name(claim->key())].claims;
    if (claims.size() > max_waiting_ || (on_busy == OnBusy::reject && !claims.empty())) {
        return std::unexpected(base::Error{.code = base::Errc::conflict,
                                           .message = on_busy == OnBusy::reject
                                                          ? "Another message of this session is being answered."
                                                          : "Too many messages wait in this session; send again when "
                                                            "an answer has come.",
                                           .retry_after = base::Milliseconds(1000)});
    }
    auto place = claims.end();
    const bool is_stale = !claim->parent.empty() && (claims.empty() || claims.front()->head != claim->parent);
    claim->interrupts = on_busy == OnBusy::interrupt && !is_stale;
    if (claim->interrupts && !claims.empty()) {
        const bool runs = !claims.front()->waits_elsewhere;
        if (runs) request_stop(claims.front(), TurnState::cancelled);
        // What is no message (a deletion) is not overtaken.
        const auto barrier = std::find_if(claims.rbegin(), claims.rend(),
                                          [](const auto& waiting) { return waiting->turn_id().empty(); });
        place = std::find_if(barrier == claims.rend() ? claims.begin() + (runs ? 1 : 0) : barrier.base(), claims.end(),
                             [](const auto& waiting) { return !waiting->interrupts; });
    }
    claims.insert(place, std::move(claim));
    ++size_;
    return {};
}

base::Result<void> TurnRegistry::enter_behind_all(std::shared_ptr<TurnClaim> claim) {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::unexpected(closing());
    lines_[line_name(claim->key())].claims.push_back(std::move(claim));
    ++size_;
    return {};
}

bool TurnRegistry::is_first(const TurnClaim& claim) const {
    const std::lock_guard lock(mutex_);
    return first(claim.key()) == &claim;
}

const TurnClaim* TurnRegistry::first(const SessionKey& key) const {
    const auto line = lines_.find(line_name(key));
    return line == lines_.end() || line->second.claims.empty() ? nullptr : line->second.claims.front().get();
}

void TurnRegistry::wait_elsewhere(TurnClaim& claim) {
    const std::lock_guard lock(mutex_);
    claim.waits_elsewhere = true;
}

bool TurnRegistry::stop_waiting_elsewhere(TurnClaim& claim) {
    const std::lock_guard lock(mutex_);
    claim.waits_elsewhere = false;
    if (first(claim.key()) != &claim) return false;
    stop_if_interrupted(lines_.at(line_name(claim.key())));
    return true;
}

void TurnRegistry::set_head(TurnClaim& claim, std::string head) {
    const std::lock_guard lock(mutex_);
    claim.head = std::move(head);
}

void TurnRegistry::leave(const TurnClaim& claim) {
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(line_name(claim.key()));
    if (found == lines_.end()) return;
    std::erase_if(watchers_, [](const auto& watcher) {
        const auto there = watcher.lock();
        if (there) there->wake();
        return !there;
    });
    Claims& line = found->second;
    const bool was_first = !line.claims.empty() && line.claims.front().get() == &claim;
    size_ -= std::erase_if(line.claims, [&](const auto& waiting) { return waiting.get() == &claim; });
    if (line.claims.empty()) {
        lines_.erase(found);
    } else if (was_first) {
        line.claims.front()->waiter->wake();
        stop_if_interrupted(line);
    }
}

// Who interrupts means whatever runs before its own turn; but with a parent only the turn that ran when it came.
void TurnRegistry::stop_if_interrupted(const Claims& line) {
    if (line.claims.size() > 1 && line.claims[1]->interrupts && line.claims[1]->parent.empty())
        request_stop(line.claims.front(), TurnState::cancelled);
}

std::string TurnRegistry::running(const SessionKey& key) const {
    const std::lock_guard lock(mutex_);
    const TurnClaim* const claim = first(key);
    return !claim || claim->waits_elsewhere ? std::string() : claim->turn_id();
}

void TurnRegistry::request_stop(const std::shared_ptr<TurnClaim>& claim, TurnState as, std::optional<base::Error> why) {
    // On the turn's own worker, since what it stops (sockets) belongs there.
    boost::asio::post(claim->executor, [claim, as, why = std::move(why)] {
        // Who was asked to end is not handed over.
        if (as == TurnState::running && claim->stop.stop_requested()) return;
        claim->stop_as = as;
        claim->stop_why = why ? std::make_unique<const base::Error>(*why) : nullptr;
        claim->stop.request_stop();
        claim->waiter->wake();
    });
}

bool TurnRegistry::stop(const TurnName& turn, TurnState as) {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(line_name(turn.key));
    if (line == lines_.end()) return false;
    for (const auto& claim : line->second.claims)
        if (claim->turn_id() == turn.turn_id) {
            request_stop(claim, as);
            return true;
        }
    return false;
}

void TurnRegistry::stop_before(const TurnClaim& claim, TurnState as) {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(line_name(claim.key()));
    if (line == lines_.end()) return;
    for (const auto& earlier : line->second.claims) {
        if (earlier.get() == &claim) return;
        request_stop(earlier, as);
    }
}

void TurnRegistry::stop_all(TurnState as) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, line] : lines_)
        for (const auto& claim : line.claims) request_stop(claim, as);
}

std::vector<TurnName> TurnRegistry::begun_by(std::string_view request_id) const {
    const std::lock_guard lock(mutex_);
    std::vector<TurnName> turns;
    for (const auto& [name, line] : lines_)
        for (const auto& claim : line.claims)
            if (claim->request_id == request_id && !claim->turn_id().empty()) turns.push_back(*claim->name);
    return turns;
}

void TurnRegistry::stop_begun_by(std::string_view request_id, TurnState as, const base::Error& why) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, line] : lines_)
        for (const auto& claim : line.claims)
            if (claim->request_id == request_id) request_stop(claim, as, why);
}

void TurnRegistry::watch(std::weak_ptr<async::Waiter> waiter) {
    const std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [](const auto& watcher) { return watcher.expired(); });
    watchers_.push_back(std::move(waiter));
}

void TurnRegistry::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
}

bool TurnRegistry::is_closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
}

std::size_t TurnRegistry::size() const {
    const std::lock_guard lock(mutex_);
    return size_;
}

}  // namespace tertulia::sessions
