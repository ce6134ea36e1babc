#include "tertulia/providers/provider_client.h"

#include <optional>
#include <string>
#include <utility>

#include "tertulia/providers/provider_error.h"

namespace tertulia::providers {
namespace {

using base::Deadline;
using base::Errc;
using models::Attempt;
using models::Failure;
using models::FailureKind;

// How much of an error's body is read, and for how long: what matters is in its first lines.
constexpr std::size_t max_error_body = 64 * 1024;
constexpr std::chrono::seconds error_body_limit{5};

// Where the answer is whole but its optional end has not come: usage and the end follow at once, or never.
constexpr std::chrono::seconds optional_end_limit{5};

// What follows the terminal event is the end of the chunked body, in the same packet as a rule. Waiting a moment for it
// keeps the connection for the next turn; waiting longer would hold up the answer.
constexpr std::chrono::milliseconds drain_limit{50};

Failure to_failure(base::Error error, const base::Secret& key, const std::stop_token& stop) {
    error.message = quotable(error.message, key);
    if (stop.stop_requested()) return {FailureKind::stopped, {.code = Errc::unavailable, .message = "stopped"}};
    const bool is_unreachable = error.title == http::cannot_connect;
    if (error.code == Errc::timed_out)
        return {is_unreachable ? FailureKind::unreachable : FailureKind::timed_out, std::move(error)};
    if (error.code == Errc::invalid_request) {
        error.code = Errc::upstream_rejected;
        return {FailureKind::rejected, std::move(error)};
    }
    error.code = Errc::upstream_unavailable;
    return {is_unreachable ? FailureKind::unreachable : FailureKind::broken, std::move(error)};
}

class HttpAnswerStream : public models::AnswerStream {
  public:
    HttpAnswerStream(std::unique_ptr<http::ClientResponse> response, std::unique_ptr<WireReader> reader,
                     base::Secret key, std::stop_token stop)
        : response_(std::move(response)), reader_(std::move(reader)), key_(std::move(key)), stop_(std::move(stop)) {}

    async::Task<Attempt<void>> next(chat::AnswerEvents& into, Deadline deadline) override {
        into.clear();
        if (failure_) co_return std::unexpected(*failure_);
        for (;;) {
            take_what_came(into);
            if (failure_ || into.has_progress()) break;
            co_await response_->ready(until(deadline));
        }
        if (!failure_ && reader_->finished()) co_await drain(into);
        if (failure_ && !into.has_progress()) co_return std::unexpected(*failure_);
        co_return Attempt<void>{};
    }

  private:
    Deadline until(Deadline deadline) const {
        return reader_->may_end() ? deadline.earlier(Deadline::after(optional_end_limit)) : deadline;
    }

    // Not inline: what it needs for a moment would be kept in the frame of `next` for as long as that waits.
    [[gnu::noinline]] void take_what_came(chat::AnswerEvents& into) {
        while (!failure_ && !into.has_progress()) {
            std::optional<base::Result<std::string_view>> bytes = response_->try_read();
            if (!bytes) return;
            note(look_at(std::move(*bytes), into), into);
        }
    }
    Attempt<void> look_at(base::Result<std::string_view>&& bytes, chat::AnswerEvents& into) {
        if (stop_.stop_requested()) return std::unexpected(to_failure({}, key_, stop_));
        const bool was_cut = !bytes && bytes.error().code == Errc::upstream_unavailable;
        Attempt<void> read;
        if (bytes)
            read = bytes->empty() ? reader_->end(true, into) : reader_->feed(*bytes, into);
        else
            read = std::unexpected(to_failure(std::move(bytes.error()), key_, stop_));
        // Where only an optional end is missing, what went wrong instead of it takes nothing away.
        if (!read && (was_cut || reader_->may_end()) && reader_->end(false, into)) return {};
        return read;
    }

    async::Task<void> drain(chat::AnswerEvents& into) {
        const Deadline deadline = Deadline::after(drain_limit);
        while (!failure_ && !response_->is_complete()) {
            const base::Result<std::string_view> bytes = co_await response_->read(deadline);
            if (!bytes && bytes.error().code == Errc::timed_out) co_return;  // no word of it being cut
            if (!bytes || bytes->empty()) break;
            note(reader_->feed(*bytes, into), into);
        }
        if (!failure_) note(reader_->end(response_->is_complete(), into), into);
    }

    // What stood before a failure goes first; but an end before it was none.
    [[gnu::noinline]] void note(Attempt<void>&& read, chat::AnswerEvents& into) {
        if (read) return;
        failure_ = std::make_unique<Failure>(std::move(read.error()));
        into.finish.reset();
    }

    std::unique_ptr<http::ClientResponse> response_;
    std::unique_ptr<WireReader> reader_;
    base::Secret key_;
    std::stop_token stop_;
    std::unique_ptr<Failure> failure_;
};

async::Task<std::string> read_error_body(http::ClientResponse& response, Deadline deadline) {
    deadline = deadline.earlier(Deadline::after(error_body_limit));
    std::string body;
    while (body.size() < max_error_body) {
        const base::Result<std::string_view> bytes = co_await response.read(deadline);
        if (!bytes || bytes->empty()) break;
        body += *bytes;
    }
    co_return body;
}

}  // namespace

http::Url append_path(http::Url base, std::string_view path) {
    const std::size_t query = std::min(base.target.find('?'), base.target.size());
    std::size_t end = query;
    while (end > 0 && base.target[end - 1] == '/') --end;
    base.target.replace(end, query - end, path);
    return base;
}

async::Task<Attempt<OpenedAnswer>> send_request(http::Client& client, http::ClientRequest request, base::Secret key,
                                                std::stop_token stop, Deadline deadline) {
    base::Result<std::unique_ptr<http::ClientResponse>> sent = co_await client.send(std::move(request), stop, deadline);
    if (!sent) co_return std::unexpected(to_failure(std::move(sent.error()), key, stop));
    OpenedAnswer opened{.response = std::move(*sent)};
    if (!opened.is_good()) {
        opened.error_body = co_await read_error_body(*opened.response, deadline);
        if (stop.stop_requested()) co_return std::unexpected(to_failure({}, key, stop));
    }
    co_return opened;
}

std::unique_ptr<models::AnswerStream> read_answer(std::unique_ptr<http::ClientResponse> response,
                                                  const MakeReader& make_reader, base::Secret key,
                                                  std::stop_token stop) {
    std::unique_ptr<WireReader> reader = make_reader(response->headers.get("content-type"));
    response->headers = {};  // a stream may last for minutes
    return std::make_unique<HttpAnswerStream>(std::move(response), std::move(reader), std::move(key), std::move(stop));
}

async::Task<Attempt<std::unique_ptr<models::AnswerStream>>> open_answer(http::Client& client, const base::Clock& clock,
                                                                        http::ClientRequest request, base::Secret key,
                                                                        MakeReader make_reader, std::stop_token stop,
                                                                        Deadline deadline) {
    Attempt<OpenedAnswer> opened = co_await send_request(client, std::move(request), key, stop, deadline);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    if (!opened->is_good())
        co_return std::unexpected(
            read_error(opened->response->status, opened->response->headers, opened->error_body, key, clock.wall_us()));
    co_return read_answer(std::move(opened->response), make_reader, std::move(key), std::move(stop));
}

}  // namespace tertulia::providers
