// `POST /chat`.
#pragma once

#include <string>

#include "tertulia/api/chat_request.h"
#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// What the configuration says where a request says nothing. Value.
struct ChatDefaults {
    sessions::OnBusy on_busy = sessions::OnBusy::queue;
    sessions::OnDisconnect on_disconnect = sessions::OnDisconnect::finish;
    /// Something goes out on a stream after this long without an event.
    base::Milliseconds heartbeat{10'000};
};

/// Begins a turn and reads its log for this client, as one JSON answer or as server-sent events. A client that leaves
/// ends the reading, and the turn only where it said so. One per worker.
class ChatHandler {
  public:
    ChatHandler(sessions::SessionService& sessions, const base::Clock& clock, ChatDefaults defaults)
        : sessions_(sessions), clock_(clock), defaults_(defaults) {}

    // No coroutines, as `answer`: while a turn is answered, which may take minutes, what began it is gone.
    /// `POST /chat`
    async::Task<void> chat(http::Request& request, http::ResponseWriter& writer);
    /// `POST /sessions/{id}/turns/{turn}/continue`
    async::Task<void> continue_turn(http::Request& request, http::ResponseWriter& writer);

  private:
    /// How a turn is to be told of: what of the request is needed until its end.
    struct Manner {
        bool stream = false;
        bool respond_async = false;
        bool cancels_on_disconnect = false;
    };
    Manner manner_of(const ChatRequest& asked) const;
    async::Task<void> begin_once(http::Request& request, http::ResponseWriter& writer, Manner manner,
                                 sessions::TurnRequest asked);
    async::Task<void> begin_continuation(http::Request& request, http::ResponseWriter& writer, Manner manner,
                                         sessions::TurnName name, sessions::TurnRequest asked);
    async::Task<void> answer(http::Request& request, http::ResponseWriter& writer, Manner manner,
                             base::Result<sessions::BegunTurn> turn);
    static async::Task<void> refuse(const http::Request& request, http::ResponseWriter& writer, base::Error error);
    static async::Task<void> refuse_unstarted(const http::Request& request, http::ResponseWriter& writer,
                                              const sessions::TurnReader& reader);
    static async::Task<void> answer_json(const http::Request& request, http::ResponseWriter& writer,
                                         sessions::BegunTurn turn);
    async::Task<void> answer_stream(const http::Request& request, http::ResponseWriter& writer,
                                    sessions::BegunTurn turn);
    async::Task<void> answer_async(const http::Request& request, http::ResponseWriter& writer,
                                   sessions::BegunTurn turn);
    static async::Task<void> accept(http::ResponseWriter& writer, const sessions::BegunTurn& turn, bool is_wished);

    sessions::SessionService& sessions_;
    const base::Clock& clock_;
    const ChatDefaults defaults_;
};

}  // namespace tertulia::api
