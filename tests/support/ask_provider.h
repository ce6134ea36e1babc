// One question to a provider, on an event loop of its own. Header only; for tests that link tertulia_providers.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <string>

#include "tertulia/async/spawn.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/http/client.h"
#include "tertulia/models/provider.h"

namespace tertulia::support {

/// The text of an answer that comes in one piece, or what went wrong.
using Asked = std::expected<std::string, models::Failure>;

/// Runs `ask(client)`, a coroutine, to its end, and fails if that does not come.
template <class Ask>
void run_with_client(const Ask& ask) {
    constexpr std::chrono::seconds plenty{20};
    async::asio::io_context context(1);
    bool done = false;
    {
        http::Client client(context.get_executor());
        async::spawn(context.get_executor(), ask(client), [&](std::exception_ptr error) {
            done = true;
            EXPECT_FALSE(error);
        });
        const auto limit = std::chrono::steady_clock::now() + plenty;
        while (!done && std::chrono::steady_clock::now() < limit) context.run_one_for(plenty);
        client.close_idle();
    }
    EXPECT_TRUE(done) << "the task did not end";
    context.poll();
}

inline async::Task<Asked> ask(models::Provider& provider, models::ModelRequest request) {
    const auto deadline = base::Deadline::after(std::chrono::seconds(20));
    auto opened = co_await provider.open(request, {}, deadline);
    if (!opened) co_return std::unexpected(opened.error());
    chat::AnswerEvents events;
    const auto next = co_await (*opened)->next(events, deadline);
    EXPECT_TRUE(next && events.finish);
    co_return chat::text_of(chat::build_answer(events, provider.kind()).blocks);
}

}  // namespace tertulia::support
