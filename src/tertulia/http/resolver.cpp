#include "tertulia/http/resolver.h"

#include <ares.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <unordered_map>

namespace tertulia::http {
namespace {

namespace asio = boost::asio;
using asio::ip::address;

constexpr base::Milliseconds keep{30'000};
constexpr base::Milliseconds tick{100};  // how often c-ares may repeat a query
constexpr std::size_t max_kept = 1000;

struct Query {
    bool done = false;
    Resolver::Addresses addresses;
    std::string why;
    base::SteadyTime found_at{};
    std::vector<std::shared_ptr<async::Waiter>> waiting;
};

address to_address(const sockaddr* from) {
    if (from->sa_family == AF_INET) {
        sockaddr_in in;
        std::memcpy(&in, from, sizeof(in));
        return asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
    }
    sockaddr_in6 in;
    std::memcpy(&in, from, sizeof(in));
    asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return asio::ip::address_v6(bytes, in.sin6_scope_id);
}

bool init_library() {
    static const bool ok = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    return ok;
}

}  // namespace

class Resolver::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(async::Executor executor, std::string name_servers)
        : executor_(executor), name_servers_(std::move(name_servers)), timer_(executor) {}
    ~Impl() { close(); }

    std::shared_ptr<Query> find(const std::string& host) {
        const auto now = std::chrono::steady_clock::now();
        if (const auto found = queries_.find(host); found != queries_.end()) {
            if (!found->second->done || now - found->second->found_at < keep) return found->second;
        }
        if (queries_.size() >= max_kept) std::erase_if(queries_, [&](const auto& entry) { return entry.second->done; });
        auto query = std::make_shared<Query>();
        if (!open()) {
            query->done = true;
            query->why = "the resolver cannot be started";
            return query;
        }
        queries_[host] = query;
        ares_addrinfo_hints hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        auto* argument = new Argument{this, host, query};
        ++running_;
        ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Impl::on_answer, argument);
        watch_timeouts();
        return query;
    }

    void close() {
        closing_ = true;
        if (channel_) ares_destroy(channel_);  // answers what is open with an error
        channel_ = nullptr;
        descriptors_.clear();
        timer_.cancel();
    }

  private:
    struct Argument {
        Impl* impl;
        std::string host;
        std::shared_ptr<Query> query;
    };
    // A socket of c-ares, which also closes it: ours only watches.
    struct Descriptor {
        explicit Descriptor(async::Executor executor, int fd) : descriptor(executor, fd) {}
        ~Descriptor() { let_go(); }
        void let_go() {
            if (descriptor.is_open()) descriptor.release();
        }
        asio::posix::basic_stream_descriptor<async::Executor> descriptor;
        bool want_read = false, want_write = false;
        bool reading = false, writing = false;  // a wait is under way
    };

    bool open() {
        if (channel_) return true;
        if (closing_ || !init_library()) return false;
        ares_options options{};
        options.timeout = 2000;
        options.tries = 3;
        options.sock_state_cb = &Impl::on_socket_state;
        options.sock_state_cb_data = this;
        const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
        if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
            channel_ = nullptr;
            return false;
        }
        return name_servers_.empty() || ares_set_servers_ports_csv(channel_, name_servers_.c_str()) == ARES_SUCCESS;
    }

    static void on_answer(void* argument, int status, int, ares_addrinfo* result) {
        const std::unique_ptr<Argument> answer(static_cast<Argument*>(argument));
        Impl& impl = *answer->impl;
        Query& query = *answer->query;
        --impl.running_;
        query.done = true;
        query.found_at = std::chrono::steady_clock::now();
        if (status == ARES_SUCCESS)
            for (const ares_addrinfo_node* node = result->nodes; node; node = node->ai_next)
                if (node->ai_family == AF_INET || node->ai_family == AF_INET6)
                    query.addresses.push_back(to_address(node->ai_addr));
        if (result) ares_freeaddrinfo(result);
        if (query.addresses.empty()) {
            query.why = status == ARES_SUCCESS ? "it has no address" : ares_strerror(status);
            if (!impl.closing_) impl.queries_.erase(answer->host);  // failures are not kept
        }
        for (const auto& waiter : query.waiting) waiter->wake();
        query.waiting.clear();
    }

    static void on_socket_state(void* data, ares_socket_t fd, int readable, int writable) {
        Impl& impl = *static_cast<Impl*>(data);
        if (!readable && !writable) {
            // Now, for the number of a socket that is closed may be given to another at once.
            if (const auto found = impl.descriptors_.find(fd); found != impl.descriptors_.end()) {
                found->second->let_go();
                impl.descriptors_.erase(found);
            }
            return;
        }
        auto& descriptor = impl.descriptors_[fd];
        if (!descriptor) descriptor = std::make_shared<Descriptor>(impl.executor_, fd);
        descriptor->want_read = readable != 0;
        descriptor->want_write = writable != 0;
        impl.watch(descriptor, fd);
    }

    void watch(const std::shared_ptr<Descriptor>& descriptor, int fd) {
        const auto wait = [&](bool wanted, bool Descriptor::* under_way, auto type, int read_fd, int write_fd) {
            if (!wanted || (*descriptor).*under_way) return;
            (*descriptor).*under_way = true;
            descriptor->descriptor.async_wait(
                type, [weak = weak_from_this(), weak_descriptor = std::weak_ptr(descriptor), under_way, fd, read_fd,
                       write_fd](boost::system::error_code error) {
                    const auto self = weak.lock();
                    const auto there = weak_descriptor.lock();
                    if (!self || !there) return;
                    (*there).*under_way = false;
                    if (error || !self->channel_) return;
                    ares_process_fd(self->channel_, read_fd, write_fd);
                    // Unless c-ares has let the socket go meanwhile.
                    if (const auto found = self->descriptors_.find(fd);
                        found != self->descriptors_.end() && found->second == there)
                        self->watch(there, fd);
                });
        };
        using Wait = asio::posix::descriptor_base;
        wait(descriptor->want_read, &Descriptor::reading, Wait::wait_read, fd, ARES_SOCKET_BAD);
        wait(descriptor->want_write, &Descriptor::writing, Wait::wait_write, ARES_SOCKET_BAD, fd);
    }

    void watch_timeouts() {
        if (running_ == 0 || timer_running_) return;
        timer_running_ = true;
        timer_.expires_after(tick);
        timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
            const auto self = weak.lock();
            if (!self) return;
            self->timer_running_ = false;
            if (error || !self->channel_) return;
            ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
            self->watch_timeouts();
        });
    }

    async::Executor executor_;
    std::string name_servers_;
    ares_channel channel_ = nullptr;
    std::unordered_map<int, std::shared_ptr<Descriptor>> descriptors_;
    std::unordered_map<std::string, std::shared_ptr<Query>> queries_;
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, async::Executor>
        timer_;
    std::size_t running_ = 0;
    bool timer_running_ = false;
    bool closing_ = false;
};

Resolver::Resolver(async::Executor executor, std::string name_servers)
    : impl_(std::make_shared<Impl>(executor, std::move(name_servers))) {}
Resolver::~Resolver() {
    impl_->close();
}

async::Task<base::Result<Resolver::Addresses>> Resolver::resolve(std::string host,
                                                                 const std::shared_ptr<async::Waiter>& waiter,
                                                                 const bool& stopped, base::Deadline deadline) {
    boost::system::error_code not_literal;
    const address literal = asio::ip::make_address(host, not_literal);
    if (!not_literal) co_return Addresses{literal};
    if (host == "localhost" || host.ends_with(".localhost"))  // RFC 6761 6.3
        co_return Addresses{asio::ip::address_v4::loopback(), asio::ip::address_v6::loopback()};

    const std::shared_ptr<Query> query = impl_->find(host);
    if (!query->done) query->waiting.push_back(waiter);
    while (!query->done && !stopped && !deadline.passed(std::chrono::steady_clock::now()))
        co_await waiter->wait(deadline);
    if (!query->done) {
        std::erase(query->waiting, waiter);
        co_return base::fail(base::Errc::timed_out, fmt::format("Looking up {} took too long.", host));
    }
    if (query->addresses.empty())
        co_return base::fail(base::Errc::upstream_unavailable,
                             fmt::format("{} cannot be looked up: {}.", host, query->why));
    co_return query->addresses;
}

}  // namespace tertulia::http
