// How a session is deleted in DynamoDB.
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

namespace json = boost::json;
using sessions::SessionKey;

async::Task<base::Result<bool>> DynamoSessions::remove(SessionKey key) {
    const Deadline until = deadline();
    Runs runs;
    if (const auto found = running_.find(name_of(key)); found != running_.end()) runs = found->second;
    if (!runs) {
        auto claimed = co_await claim(
            {.turn = {.key = key, .turn_id = base::make_id('x', random_)}, .max_messages = 2, .max_bytes = 1}, nullptr,
            until);
        if (!claimed) co_return std::unexpected(std::move(claimed.error()));
        runs = *claimed;
    } else if (!co_await is_held(runs, until)) {
        co_return std::unexpected(turn_not_running());
    }
    if (runs->newest.empty() && !runs->has_begun) {
        forget(runs);
        if (auto given = co_await give_back(runs, until); !given) co_return std::unexpected(given.error());
        co_return false;
    }
    auto all = co_await history_.all_keys(key, until);
    if (!all) co_return failed(all.error());
    // Bills stay.
    std::vector<json::object> requests;
    for (const BilledTurn& billed : all->billed) {
        requests.push_back(put_request(kept_bills_item(key, billed)));
    }
    const auto collect = [&](DynamoQuery query) -> Task<Outcome<void>> {
        do {
            auto page = co_await client_.query(query, until);
            if (!page) co_return std::unexpected(std::move(page.error()));
            for (const DynamoItem& item : page->items)
                requests.push_back(delete_request(meta_key(text_of(item, "pk"), text_of(item, "sk"))));
            query.from = std::move(page->next);
        } while (query.from);
        co_return Outcome<void>();
    };
    DynamoQuery turns = query_of(settings_.tables.meta, turns_pk(key));
    turns.projection = "pk, sk";
    DynamoQuery keys = query_of(settings_.tables.meta, idempotency_pk(key.owner));
    keys.projection = "pk, sk";
    keys.filter = {.text = "#session = :session",
                   .names = {{"#session", "session"}},
                   .values = {{":session", dynamo_text(key.session_id)}}};
    if (auto collected = co_await collect(std::move(turns)); !collected) co_return failed(collected.error());
    if (auto collected = co_await collect(std::move(keys)); !collected) co_return failed(collected.error());
    if (auto done = co_await client_.batch(settings_.tables.meta, std::move(requests), until); !done)
        co_return failed(done.error());
    if (auto done = co_await history_.remove(std::move(all->keys), until); !done) co_return failed(done.error());
    // The header last: until then nobody else writes.
    DynamoExpression mine{
        .text = "#turn = :me", .names = {{"#turn", "turn"}}, .values = {{":me", dynamo_text(runs->turn_id)}}};
    const auto removed = co_await client_.remove(settings_.tables.meta, header_key(key), std::move(mine), until);
    forget(runs);
    cache_.forget(key);
    if (!removed && !condition_failed(removed.error())) co_return failed(removed.error());
    co_return true;
}

}  // namespace tertulia::storage
