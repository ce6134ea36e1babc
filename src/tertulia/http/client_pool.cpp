#include "tertulia/http/client_pool.h"

#include <algorithm>

namespace tertulia::http {

std::unique_ptr<ClientConnection> ClientPool::take_idle(const std::string& name, base::SteadyTime now,
                                                        std::int64_t wall_us) {
    Host& host = hosts_[name];
    while (!host.idle.empty()) {
        Idle last = std::move(host.idle.back());
        host.idle.pop_back();
        const std::chrono::microseconds by_wall(wall_us - last.since_wall_us);
        if (now - last.since < idle_limit_ && by_wall < idle_limit_ && last.connection->is_quiet())
            return std::move(last.connection);
        --host.open;
    }
    return nullptr;
}

bool ClientPool::open_one(const std::string& name) {
    Host& host = hosts_[name];
    if (host.open >= per_host_ && !host.idle.empty()) {
        host.idle.erase(host.idle.begin());
        --host.open;
    }
    if (host.open >= per_host_) return false;
    ++host.open;
    return true;
}

void ClientPool::closed(const std::string& name) {
    Host& host = hosts_[name];
    --host.open;
    wake_next(host);
}

void ClientPool::give_back(const std::string& name, std::unique_ptr<ClientConnection> connection, base::SteadyTime now,
                           std::int64_t wall_us) {
    Host& host = hosts_[name];
    host.idle.push_back({std::move(connection), now, wall_us});
    wake_next(host);
}

void ClientPool::wait(const std::string& name, std::shared_ptr<async::Waiter> waiter) {
    hosts_[name].waiting.push_back(std::move(waiter));
}

void ClientPool::stop_waiting(const std::string& name, const std::shared_ptr<async::Waiter>& waiter, bool gives_up) {
    Host& host = hosts_[name];
    if (std::erase(host.waiting, waiter) == 0 && gives_up) wake_next(host);
}

void ClientPool::wake_next(Host& host) {
    if (host.waiting.empty()) return;
    host.waiting.front()->wake();
    host.waiting.pop_front();
}

base::SteadyTime ClientPool::expire(base::SteadyTime now) {
    auto next = base::SteadyTime::max();
    for (auto entry = hosts_.begin(); entry != hosts_.end();) {
        Host& host = entry->second;
        host.open -= std::erase_if(host.idle, [&](const Idle& idle) { return now - idle.since >= idle_limit_; });
        for (const Idle& idle : host.idle) next = std::min(next, idle.since + idle_limit_);
        const bool unused = host.open == 0 && host.waiting.empty();
        entry = unused ? hosts_.erase(entry) : std::next(entry);
    }
    return next;
}

void ClientPool::close_idle() {
    for (auto& [name, host] : hosts_) {
        host.open -= host.idle.size();
        host.idle.clear();
    }
}

std::size_t ClientPool::idle() const {
    std::size_t count = 0;
    for (const auto& [name, host] : hosts_) count += host.idle.size();
    return count;
}

}  // namespace tertulia::http
