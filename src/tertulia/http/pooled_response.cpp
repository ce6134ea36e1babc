#include "tertulia/http/pooled_response.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

using async::Task;
using base::Errc;

// How much a small encoded body may decode to at a time.
constexpr std::size_t inflate_size = 256 * 1024;

}  // namespace

PooledResponse::PooledResponse(std::shared_ptr<ClientCore> core, std::shared_ptr<Flight> flight,
                               const std::stop_token& stop, ClientCore::Lease lease, bool to_head)
    : core_(std::move(core)),
      flight_(std::move(flight)),
      lease_(std::move(lease)),
      stop_callback_(std::in_place, stop, Stopper{core_->executor(), flight_}),
      parser_(to_head, core_->options().head_limit) {}

Task<base::Result<void>> PooledResponse::write(std::string_view bytes, base::Deadline deadline) {
    if (flight_->stopped) co_return stopped();
    auto written = co_await (**lease_).write(bytes, deadline);
    if (!written) co_return explain(std::move(written.error()), "the request was not taken");
    co_return base::Result<void>();
}

Task<base::Result<void>> PooledResponse::exchange(std::string_view request, base::Deadline deadline, bool& began) {
    if (flight_->stopped) co_return stopped();
    // A server that refuses a large body may answer and close before it has read it all: look for its answer.
    auto written = co_await (**lease_).write(request, deadline);
    if (!written && (lease_->reused || written.error().code != Errc::upstream_unavailable))
        co_return explain(std::move(written.error()), "the request was not taken");
    for (;;) {
        const IoResult io = (**lease_).read(core_->scratch());
        if (io.wants_to_wait()) {
            co_await (**lease_).ready(deadline);
            continue;
        }
        if (io.state == IoResult::State::failed)
            co_return explain((**lease_).why(),
                              began ? "the answer's head was not complete" : "no byte of an answer came");
        if (io.state == IoResult::State::closed) {
            auto error = parser_.end_of_input().error();
            if (!began) error.message = "The other server closed the connection without an answer.";
            co_return std::unexpected(std::move(error));
        }
        began = true;
        std::string_view bytes(core_->scratch().data(), io.bytes);
        auto head = parser_.feed_head(bytes);
        if (!head) co_return std::unexpected(std::move(head.error()));
        if (!*head) continue;
        if (!bytes.empty()) {
            pending_ = std::make_unique<std::string>(bytes);
            raw_ = *pending_;
        }
        break;
    }
    status = parser_.status();
    headers = std::move(parser_.headers());
    const std::string_view encoding = trim(headers.get("content-encoding"));
    if (equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip") ||
        equal_ignoring_case(encoding, "deflate"))
        decoder_ = std::make_unique<Decoder>();
    if (parser_.is_complete()) end_of_body(!pending_);
    co_return base::Result<void>();
}

std::optional<base::Result<std::string_view>> PooledResponse::try_read() {
    while (!advance()) {
        if (!std::exchange(may_read_, false)) return std::nullopt;
        const IoResult io = (**lease_).read(core_->scratch());
        if (io.wants_to_wait()) return std::nullopt;
        take(io);
    }
    if (failed_) return std::unexpected(*failed_);
    return bytes_;
}

async::PolledSocket::Wait PooledResponse::ready(base::Deadline deadline) {
    may_read_ = true;
    return (**lease_).ready(deadline);
}

bool PooledResponse::advance() {
    bytes_ = {};
    while (!failed_ && bytes_.empty()) {
        if (decoder_ && !decoder_->backlog.empty()) {
            const std::string in = std::move(decoder_->backlog);
            decoder_->backlog.clear();
            inflate(in);
        } else if (!lease_) {
            if (!decoder_ || decoder_->ended) return true;
            decoder_->ended = true;
            decoder_->decoded.clear();
            if (auto ok = decoder_->inflater.end(decoder_->decoded); !ok) remember(std::move(ok.error()));
            bytes_ = decoder_->decoded;
        } else {
            if (raw_.empty()) {
                pending_.reset();
                return false;
            }
            if (auto body = unframe(std::exchange(raw_, {})); !body)
                remember(std::move(body.error()));
            else if (decoder_)
                inflate(*body);
            else
                bytes_ = *body;
        }
    }
    return true;
}

void PooledResponse::take(IoResult io) {
    if (io.state == IoResult::State::failed)
        remember(explain((**lease_).why(), "the rest of the answer did not come").error());
    else if (io.state == IoResult::State::done)
        raw_ = core_->scratch().first(io.bytes);
    else if (auto ended = parser_.end_of_input(); !ended)
        remember(std::move(ended.error()));
    else
        end_of_body(false);
}

bool PooledResponse::is_complete() const {
    return !lease_ && !failed_ && (!decoder_ || (decoder_->backlog.empty() && decoder_->ended));
}

// Takes the framing out of `raw`, in place; gives what is left: the body's bytes.
base::Result<std::string_view> PooledResponse::unframe(std::span<char> raw) {
    std::string_view bytes(raw.data(), raw.size());
    char* begin = nullptr;
    std::size_t size = 0;
    for (;;) {
        auto piece = parser_.next_body(bytes);
        if (!piece) return std::unexpected(std::move(piece.error()));
        if (piece->empty()) break;
        if (!begin)
            begin = raw.data() + (piece->data() - raw.data());
        else
            std::memmove(begin + size, piece->data(), piece->size());
        size += piece->size();
    }
    if (parser_.is_complete()) end_of_body(bytes.empty());
    return std::string_view(begin, size);
}

void PooledResponse::inflate(std::string_view in) {
    decoder_->decoded.clear();
    if (auto fed = decoder_->inflater.feed(in, decoder_->decoded, inflate_size); !fed) remember(std::move(fed.error()));
    decoder_->backlog.assign(in);
    bytes_ = decoder_->decoded;
}

// `clean`: nothing came after the body.
void PooledResponse::end_of_body(bool clean) {
    stop_callback_.reset();
    if (clean && parser_.keep_alive() && !used_once_) lease_->give_back();
    lease_.reset();
}

std::unexpected<base::Error> PooledResponse::explain(base::Error error, std::string_view what) const {
    if (flight_->stopped) return stopped();
    if (error.code == Errc::timed_out) error.message = fmt::format("The deadline passed: {}.", what);
    return std::unexpected(std::move(error));
}

void PooledResponse::remember(base::Error error) {
    failed_ = std::make_unique<base::Error>(std::move(error));
    stop_callback_.reset();
    lease_.reset();
}

}  // namespace tertulia::http
