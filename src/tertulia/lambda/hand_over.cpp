#include "tertulia/lambda/hand_over.h"

#include <utility>

namespace tertulia::lambda {

async::Task<bool> HandOver::run(std::string request_id, std::string trace_id, std::string body,
                                std::optional<Told> told, base::Deadline deadline) {
    const std::string how = how_to_answer(body);
    bool all = true;
    for (const sessions::TurnName& turn : parts_.registry.begun_by(request_id)) {
        SelfInvocation work{
            .kind = SelfInvocation::Kind::turn, .client = {}, .turn = turn, .how = how, .trace_id = trace_id};
        if (told) {
            work.client = told->client;
            work.client_id = told->client_id;
            work.after = told->after;
        }
        base::Result<void> handed = co_await parts_.invoker.invoke(std::move(work), deadline);
        if (handed) handed = co_await parts_.sessions.hand_over(turn, deadline);
        parts_.log.write(handed ? telemetry::Level::info : telemetry::Level::error,
                         handed ? "turn handed over" : "a turn cannot be handed over",
                         {{"request_id", request_id},
                          {"session", turn.key.session_id},
                          {"turn", turn.turn_id},
                          {"reason", handed ? std::string() : handed.error().message}});
        all = all && handed;
    }
    co_return all;
}

}  // namespace tertulia::lambda
