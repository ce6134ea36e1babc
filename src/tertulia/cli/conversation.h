// One conversation with a server: its turns, followed through lost connections and restarts.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/random.h"
#include "tertulia/base/secret.h"
#include "tertulia/cli/chat_screen.h"
#include "tertulia/http/client.h"
#include "tertulia/http/sse_parser.h"

namespace tertulia::cli {

/// Where a conversation is held. Value.
struct Place {
    std::string url;         ///< the server's address, without a slash at its end
    std::string session_id;  ///< empty: the server makes one
    std::string model;       ///< `PROVIDER/MODEL`; empty: the session's
    base::Secret token;
};

/// How long to wait before the next attempt, after `failures` that had no success between them: a quarter of a second,
/// doubled up to five seconds.
base::Milliseconds retry_pause(int failures);

/// Sends messages and shows their answers on the screen. A message has a key (Idempotency-Key) under which it is sent
/// again until its turn has begun, so that it is answered once; from then on a broken stream is taken up after the last
/// event that came (`GET .../turns/{turn}/events`). It is tried again for three minutes after the last event; a server
/// that was never reached is not waited for. One per worker.
class Conversation {
  public:
    struct Parts {
        http::Client& client;
        async::TaskGroup& tasks;
        async::Executor executor;
        ChatScreen& screen;
        base::Random& random = base::system_random();
    };
    Conversation(Parts parts, Place place);
    Conversation(const Conversation&) = delete;

    /// Sends `message` and shows its answer. False: the turn did not complete (the screen has said why).
    async::Task<bool> send(std::string message);
    /// Goes on with the session's last answer, where it is not whole (`POST .../continue`).
    async::Task<bool> go_on();
    /// Shows the answer that is being written, if there is one, and says so where the last one is not whole.
    async::Task<void> catch_up();

    /// Ctrl-C: the first one cancels the turn that is followed, the next one leaves it to the server. False: none is.
    bool interrupt();
    /// Was the turn left?
    bool left() const { return left_; }
    /// Empty until the first turn has started.
    const std::string& session_id() const { return place_.session_id; }

  private:
    // What came of one request: the turn is over for us, or it is worth asking again.
    enum class Step { over, broken };

    http::ClientRequest request(std::string method, const std::string& path, std::string body = {}) const;
    http::ClientRequest resumption() const;
    std::string turn_path() const;
    async::Task<bool> follow(http::ClientRequest first);
    async::Task<Step> exchange(http::ClientRequest request);
    async::Task<Step> read_events(http::ClientResponse& response);
    async::Task<std::string> read_body(http::ClientResponse& response);
    void on_event(const http::SseEvent& event);
    async::Task<void> look();
    async::Task<void> cancel();

    Parts parts_;
    Place place_;
    std::shared_ptr<async::Waiter> waiter_;
    std::stop_source stop_;
    std::string turn_id_;  // empty until the turn that is followed is known
    std::string last_event_id_;
    std::string unfinished_;  // the turn whose answer could be continued
    std::string problem_;     // why the last request broke
    bool started_ = false;    // the turn is in the session, and can be asked for
    bool reached_ = false;    // the server has answered before
    bool following_ = false;
    bool left_ = false;
    int interrupts_ = 0;
};

}  // namespace tertulia::cli
