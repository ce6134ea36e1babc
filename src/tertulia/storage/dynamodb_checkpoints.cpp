// What is kept of running turns in DynamoDB, for the case that their process goes.
#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

namespace json = boost::json;
using sessions::SessionKey;

namespace {

constexpr std::chrono::hours checkpoints_kept{24};

}  // namespace

async::Task<base::Result<void>> DynamoSessions::checkpoint(std::vector<sessions::TurnCheckpoint> pieces) {
    std::vector<json::object> requests;
    for (const sessions::TurnCheckpoint& piece : pieces) {
        const Runs runs = find(piece.turn->key, piece.turn->turn_id);
        if (!runs || !runs->has_begun || runs->is_lost) continue;
        std::string_view rest = piece.data;
        const std::size_t parts = (rest.size() + dynamo_part_bytes - 1) / dynamo_part_bytes;
        bool is_first = true;
        do {
            const std::string_view data = rest.substr(0, dynamo_part_bytes);
            rest.remove_prefix(data.size());
            DynamoItem item = meta_key(turns_pk(runs->key), checkpoint_sk(runs->turn_id, ++runs->pieces));
            item["data"] = dynamo_bytes(data);
            item["ttl"] = dynamo_number(ttl_in(checkpoints_kept));
            if (piece.is_whole && is_first) item["whole"] = dynamo_number(1);
            if (parts > 1 && is_first) item["parts"] = dynamo_number(static_cast<std::int64_t>(parts));
            if (!is_first) item["more"] = dynamo_number(1);
            is_first = false;
            requests.push_back(put_request(std::move(item)));
        } while (!rest.empty());
    }
    if (requests.empty()) co_return Result<void>();
    const auto kept = co_await client_.batch(settings_.tables.meta, std::move(requests), deadline());
    if (!kept) co_return failed(kept.error());
    co_return Result<void>();
}

async::Task<DynamoSessions::Outcome<DynamoPieces>> DynamoSessions::pieces_of(const SessionKey& key, std::string turn_id,
                                                                             DynamoPieces pieces, Deadline deadline) {
    DynamoQuery query{.table = settings_.tables.meta};
    query.key = {.text = "pk = :p AND sk BETWEEN :from AND :to",
                 .values = {{":p", dynamo_text(turns_pk(key))},
                            {":from", dynamo_text(checkpoint_sk(turn_id, pieces.last() + 1))},
                            {":to", dynamo_text(after_checkpoints_sk(turn_id))}}};
    do {
        auto page = co_await client_.query(query, deadline);
        if (!page) co_return std::unexpected(std::move(page.error()));
        for (const DynamoItem& item : page->items) pieces.add(item);
        query.from = std::move(page->next);
    } while (query.from);
    co_return pieces;
}

async::Task<base::Result<std::optional<sessions::TurnRemains>>> DynamoSessions::remains_of(const SessionKey& key,
                                                                                           std::string turn_id,
                                                                                           Deadline deadline) {
    auto pieces = co_await pieces_of(key, std::move(turn_id), DynamoPieces(0, DynamoPieces::Gaps::pass), deadline);
    if (!pieces) co_return failed(pieces.error());
    std::optional<sessions::TurnRemains> remains;
    for (const std::string& piece : pieces->take()) {
        if (!remains) remains.emplace();
        remains->add(piece);
    }
    co_return remains;
}

async::Task<base::Result<std::int64_t>> DynamoSessions::close_interrupted(std::int64_t now_us) {
    // Turns of other processes are theirs; those that nobody holds any more are closed when somebody comes.
    std::vector<Runs> all;
    for (const auto& [name, runs] : running_) all.push_back(runs);
    std::int64_t closed = 0;
    for (const Runs& runs : all) {
        forget(runs);
        const Deadline until = deadline();
        if (!runs->has_begun) {
            if (auto given = co_await give_back(runs, until); !given) co_return std::unexpected(given.error());
            continue;
        }
        auto view = co_await look(runs->key, {.max_messages = 2, .max_bytes = 1}, until);
        if (!view) co_return std::unexpected(std::move(view.error()));
        if (!view->front()) continue;
        std::string place =
            runs->rewritten ? runs->header.rewrites : base::next_timestamp(view->front()->message.timestamp, now_us);
        const auto done = co_await close_lost(runs->key, runs->header, *view, std::move(place),
                                              base::format_timestamp(now_us), until);
        if (!done) co_return std::unexpected(done.error());
        if (*done) ++closed;
    }
    co_return closed;
}

}  // namespace tertulia::storage
