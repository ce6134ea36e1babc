#include "tertulia/lambda/http_writer.h"

#include <utility>

#include "tertulia/lambda/answers.h"
#include "tertulia/lambda/error_types.h"
#include "tertulia/lambda/turn_watch.h"

namespace tertulia::lambda {
namespace {

using async::Task;

// The other side is in this machine, but holds back what the client does not take (2 MB a second, at best).
constexpr base::Milliseconds write_limit{60'000};

bool has_no_body(int status) {
    return status == 204 || status == 304;
}

base::Error too_large() {
    return {.code = base::Errc::too_large,
            .message =
                "The answer is longer than the 6 MB that Lambda may answer at once. Ask for less, or over a "
                "front that streams.",
            .title = "Answer too long"};
}

}  // namespace

// -- what both share -------------------------------------------------------------------------------------------------

Task<bool> HttpWriter::begin(http::Response response, State next) {
    if (state_ != State::fresh) co_return false;
    if (options_.decorate) options_.decorate(request_, response);
    status_ = response.status;
    if (request_.method == "HEAD" || has_no_body(response.status)) response.body.clear();
    body_bytes_ = response.body.size();
    state_ = State::broken;  // until it is sent
    const bool sent = co_await send_head(std::move(response));
    if (sent) state_ = next;
    co_return sent;
}

Task<bool> HttpWriter::respond(http::Response response) {
    return begin(std::move(response), State::done);
}

Task<bool> HttpWriter::start_stream(http::Response response) {
    if (request_.method != "HEAD") co_return co_await begin(std::move(response), State::streaming);
    co_await begin(std::move(response), State::done);
    co_return false;
}

Task<bool> HttpWriter::write(std::string_view bytes) {
    if (state_ != State::streaming) co_return false;
    if (bytes.empty()) co_return true;
    body_bytes_ += bytes.size();
    const bool sent = co_await send(bytes);
    if (!sent) state_ = State::broken;
    co_return sent;
}

Task<bool> HttpWriter::finish() {
    if (state_ != State::streaming) co_return false;
    state_ = State::done;
    co_return true;
}

void HttpWriter::close() {
    if (auto closed = std::exchange(closed_, nullptr)) closed();
}

Task<void> HttpWriter::cut(http::Response instead) {
    close();
    if (state_ == State::fresh)
        co_await respond(std::move(instead));
    else
        co_await finish();
}

// -- at once ---------------------------------------------------------------------------------------------------------

Task<bool> BufferedWriter::send_head(http::Response response) {
    answer_ = std::move(response);
    co_return true;
}

Task<bool> BufferedWriter::send(std::string_view bytes) {
    answer_.body += bytes;
    co_return true;
}

Task<Posted> BufferedWriter::deliver(const base::Error& failure) {
    std::string payload = is_complete() ? answer_json(shape_, answer_) : std::string();
    if (payload.empty() || payload.size() > max_answer_bytes) {
        http::Response instead = options_.on_error(payload.empty() ? failure : too_large(), &request_);
        if (options_.decorate) options_.decorate(request_, instead);
        payload = answer_json(shape_, instead);
    }
    co_return co_await runtime_.respond(invocation_, std::move(payload));
}

// -- as it comes -----------------------------------------------------------------------------------------------------

Task<bool> StreamingWriter::send_head(http::Response response) {
    const std::string body = std::move(response.body);
    is_sending_ = true;
    auto upload = co_await runtime_.stream(invocation_, answer_prelude(shape_, response), stop_.get_token());
    is_sending_ = false;
    if (!upload) co_return false;
    upload_ = std::move(*upload);
    co_return body.empty() || co_await send(body);
}

Task<bool> StreamingWriter::send(std::string_view bytes) {
    const auto upload = upload_;
    if (!upload) co_return false;
    is_sending_ = true;
    const auto sent = co_await upload->write(bytes, base::Deadline::after(write_limit));
    is_sending_ = false;
    co_return sent.has_value();
}

void StreamingWriter::note_failure(const base::Error& error) {
    failure_ = error;
}

Task<void> StreamingWriter::cut(http::Response instead) {
    note_failure(time_is_up());
    co_await HttpWriter::cut(std::move(instead));
    if (is_sending_) stop_.request_stop();  // nobody takes what is sent
}

Task<Posted> StreamingWriter::deliver(const base::Error& failure) {
    if (!upload_ || is_sending_) co_return Posted::lost;
    if (!is_complete()) failure_ = failure;
    std::optional<InvocationError> error;
    if (failure_) error = {.type = std::string(error_type(failure_->code)), .message = failure_->message};
    const auto upload = std::exchange(upload_, nullptr);
    co_return co_await runtime_.end_stream(*upload, error ? &*error : nullptr);
}

}  // namespace tertulia::lambda
