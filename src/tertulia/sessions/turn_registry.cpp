#include "tertulia/sessions/turn_registry.h"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace tertulia::sessions {

base::Result<void> TurnRegistry::enter(std::shared_ptr<TurnClaim> claim, Line bound) {
    const std::lock_guard lock(mutex_);
    if (closed_) return base::fail(base::Errc::unavailable, "The server is shutting down; try again in a moment.");
    Claims& line = lines_[line_name(claim->key)];
    if (bound == Line::bounded && line.claims.size() > max_waiting_) {
        auto error = base::fail(base::Errc::conflict,
                                "Too many messages wait in this session; send again when an answer has come.");
        error.error().retry_after = base::Milliseconds(1000);
        return error;
    }
    line.claims.push_back(std::move(claim));
    ++size_;
    return {};
}

bool TurnRegistry::is_first(const TurnClaim& claim) const {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(line_name(claim.key));
    return line != lines_.end() && !line->second.claims.empty() && line->second.claims.front().get() == &claim;
}

void TurnRegistry::leave(const TurnClaim& claim) {
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(line_name(claim.key));
    if (found == lines_.end()) return;
    Claims& line = found->second;
    const bool was_first = !line.claims.empty() && line.claims.front().get() == &claim;
    size_ -= std::erase_if(line.claims, [&](const auto& waiting) { return waiting.get() == &claim; });
    if (line.claims.empty()) {
        lines_.erase(found);
    } else if (was_first) {
        line.claims.front()->waiter->wake();
    }
}

std::string TurnRegistry::running(const SessionKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(line_name(key));
    return line == lines_.end() || line->second.claims.empty() ? std::string() : line->second.claims.front()->turn_id;
}

void TurnRegistry::request_stop(const std::shared_ptr<TurnClaim>& claim, TurnState as) {
    // On the turn's own worker, since what it stops (sockets) belongs there.
    boost::asio::post(claim->executor, [claim, as] {
        claim->stop_as = as;
        claim->stop.request_stop();
        claim->waiter->wake();
    });
}

void TurnRegistry::stop_before(const TurnClaim& claim, TurnState as) {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(line_name(claim.key));
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

void TurnRegistry::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
}

std::size_t TurnRegistry::size() const {
    const std::lock_guard lock(mutex_);
    return size_;
}

}  // namespace tertulia::sessions
