// How turns begin and end in DynamoDB.
#include <fmt/format.h>

#include <algorithm>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

namespace json = boost::json;
using base::Errc;
using sessions::SessionKey;
using sessions::StoredMessage;

namespace {

constexpr std::chrono::hours checkpoints_kept{24};
constexpr std::chrono::hours keys_kept_longer{1};
constexpr std::string_view replaced_suffix = "!old";

DynamoItem header_key(const SessionKey& key) {
    return {{"pk", dynamo_text(header_pk(key.owner))}, {"sk", dynamo_text(header_sk(key.session_id))}};
}

std::string turns_pk(const SessionKey& key) {
    return "T#" + key.owner + "|" + key.session_id;
}

DynamoItem meta_key(std::string_view pk, std::string_view sk) {
    return {{"pk", dynamo_text(pk)}, {"sk", dynamo_text(sk)}};
}

json::object put_request(DynamoItem item) {
    return {{"PutRequest", json::object{{"Item", std::move(item)}}}};
}

// Does the item hold what the turn itself wrote, and not what stands for it?
bool is_the_same(const DynamoItem& item, const StoredMessage& message) {
    return text_of(item, "turn") == message.turn_id && text_of(item, "role") == chat::to_string(message.role) &&
           text_of(item, "created_at") == message.created_at && text_of(item, "model") == message.model &&
           (text_of(item, "state").empty() ? message.state == sessions::TurnState::completed
                                           : text_of(item, "state") == sessions::to_string(message.state));
}

DynamoItem key_item(const std::string& owner, const sessions::IdempotencyRecord& record) {
    DynamoItem item = meta_key("I#" + owner, record.key);
    item["fp"] = dynamo_text(record.fingerprint);
    item["session"] = dynamo_text(record.session_id);
    item["turn"] = dynamo_text(record.turn_id);
    item["expires"] = dynamo_number(record.expires_us);
    item["ttl"] = dynamo_number(record.expires_us / 1'000'000 + std::chrono::seconds(keys_kept_longer).count());
    return item;
}

sessions::IdempotencyRecord read_key(const DynamoItem& item) {
    return {.key = std::string(text_of(item, "sk")),
            .fingerprint = std::string(text_of(item, "fp")),
            .session_id = std::string(text_of(item, "session")),
            .turn_id = std::string(text_of(item, "turn")),
            .expires_us = number_of(item, "expires").value_or(0)};
}

}  // namespace

// -- the beginning ---------------------------------------------------------------------------------------------------

async::Task<base::Result<std::int64_t>> DynamoSessions::begin_turn(sessions::TurnStart start) {
    const Deadline until = deadline();
    Runs runs = find(start.key, start.message.turn_id);
    const bool was_opened = runs && !runs->has_begun;
    if (!was_opened) {
        sessions::TurnOpening opening{.turn = {.key = start.key, .turn_id = start.message.turn_id},
                                      .model = start.model,
                                      .system = start.system,
                                      .text = start.message.content,
                                      .max_messages = 2,
                                      .max_bytes = 1};
        auto claimed = co_await claim(opening, &start, until);
        if (!claimed) co_return std::unexpected(std::move(claimed.error()));
        runs = *claimed;
    } else if (!co_await is_held(runs, until)) {
        co_return std::unexpected(turn_not_running());
    }
    runs->context_from = start.context_from;
    runs->context_window = start.context_window;
    const std::string owner = start.key.owner;
    const auto once = start.idempotency;
    const bool has_new_settings = start.model != runs->header.model || start.system != runs->header.system;
    base::Result<std::int64_t> begun;
    if (!start.rewrites.empty() || has_new_settings) {
        begun = co_await begin_rewriting(runs, start, until);
        if (begun && start.rewrites.empty())
            begun = co_await begin_question(runs, std::move(start.message), start.first_number, until);
    } else {
        begun = co_await begin_question(runs, std::move(start.message), start.first_number, until);
    }
    if (!begun && !was_opened) {  // nobody will abandon it
        forget(runs);
        co_await give_back(runs, until);
    }
    if (begun && once) {
        const auto kept = co_await client_.put(settings_.tables.meta, key_item(owner, *once), std::nullopt, until);
        if (!kept) log_.warn("an idempotency key was not kept", {{"turn", runs->turn_id}});
    }
    co_return begun;
}

async::Task<base::Result<std::int64_t>> DynamoSessions::begin_question(Runs runs, StoredMessage message,
                                                                       std::uint32_t first_number, Deadline deadline) {
    if (!runs->newest.empty() && message.timestamp <= runs->newest.front().message.timestamp)
        co_return std::unexpected(not_later_than_last());
    DynamoMessage question{.message = std::move(message), .totals = runs->totals, .first_number = first_number};
    question.totals.messages = runs->totals.messages.value_or(0) + 1;
    question.totals.context_from = runs->context_from;
    question.totals.context_window = runs->context_window;
    runs->may_have_begun = true;
    const auto written = co_await history_.write({.key = runs->key}, question, deadline);
    if (!written && !condition_failed(written.error())) co_return failed(written.error());
    // An attempt whose answer was lost has done it.
    if (!written && !is_the_same(old_item(written.error()), question.message))
        co_return std::unexpected(not_later_than_last());
    runs->has_begun = true;
    runs->header.question_place = question.message.timestamp;
    runs->totals = question.totals;
    if (!keeps_blocks(question.message)) question.message.blocks.clear();
    runs->newest.insert(runs->newest.begin(), std::move(question));
    co_return *runs->totals.messages;
}

// What is true of the session until the answer says it is kept in the header: there is no question that would say it.
async::Task<base::Result<std::int64_t>> DynamoSessions::begin_rewriting(Runs runs, const sessions::TurnStart& start,
                                                                        Deadline deadline) {
    DynamoUpdate update;
    update.set("model", dynamo_text(start.model)).set("system", dynamo_text(start.system));
    std::optional<DynamoMessage> rewritten;
    if (!start.rewrites.empty()) {
        if (runs->newest.empty() || runs->newest.front().message.timestamp != start.rewrites)
            co_return std::unexpected(not_to_be_rewritten());
        auto before = co_await history_.read(
            runs->key, {.max_messages = 1, .max_bytes = 1, .with_the_rest = true, .one_page = true}, deadline);
        if (!before) co_return failed(before.error());
        if (before->messages.empty() || before->messages.front().message.timestamp != start.rewrites ||
            !can_be_rewritten(before->messages.front().message))
            co_return std::unexpected(not_to_be_rewritten());
        rewritten = std::move(before->messages.front());
        update.set("rewrites", dynamo_text(start.rewrites))
            .set("first", dynamo_number(start.first_number))
            .set("ctx", dynamo_text(start.context_from))
            .set("win", dynamo_number(start.context_window))
            .set("active", dynamo_text(start.message.created_at));
    }
    std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(runs->turn_id)) + " AND " +
                            update.alias("by") + " = " + update.value(":by_me", dynamo_text(me_));
    const auto done = co_await client_.update(settings_.tables.meta, header_key(runs->key), std::move(update).done(),
                                              std::move(condition), deadline);
    if (!done && condition_failed(done.error())) co_return std::unexpected(turn_not_running());
    if (!done) co_return failed(done.error());
    runs->header.model = start.model;
    runs->header.system = start.system;
    if (rewritten) {
        runs->header.rewrites = start.rewrites;
        runs->header.first_number = start.first_number;
        runs->rewritten = std::move(rewritten);
        runs->has_begun = true;
    }
    co_return runs->totals.messages.value_or(0);
}

// -- the end ---------------------------------------------------------------------------------------------------------

async::Task<base::Result<void>> DynamoSessions::end_turn(sessions::TurnEnd end) {
    const Deadline until = deadline();
    const SessionKey key = end.key;
    const std::string turn_id = end.message.turn_id;
    const std::string ended_at = end.message.created_at;
    const Runs runs = find(key, turn_id);
    if (!runs || !runs->has_begun) {
        co_await keep_late_bills(key, turn_id, ended_at, std::move(end.bills), until);
        co_return std::unexpected(turn_not_running());
    }
    if (!runs->rewritten && end.message.timestamp <= runs->header.question_place)
        co_return std::unexpected(not_later_than_last());
    if (!co_await is_held(runs, until)) {
        forget(runs);
        co_await keep_late_bills(key, turn_id, ended_at, std::move(end.bills), until);
        co_return std::unexpected(turn_not_running());
    }
    DynamoMessage answer{.message = std::move(end.message), .totals = runs->totals};
    if (runs->rewritten) {
        answer.message.timestamp = runs->header.rewrites;
        answer.totals = runs->rewritten->totals;
        answer.billed = runs->rewritten->billed;
    } else {
        ++*answer.totals.messages;
    }
    answer.totals.context_from = runs->context_from;
    answer.totals.context_window = runs->context_window;
    if (!end.bills.empty()) {
        answer.totals.spent_nano += cost_of(end.bills);
        answer.billed.push_back({.turn_id = turn_id, .ended_at = ended_at, .bills = end.bills});
    }
    const auto written = co_await write_answer(*runs, answer, until);
    forget(runs);
    if (!written) {
        if (!written.error().is("lost")) co_return failed(written.error());
        co_await keep_late_bills(key, turn_id, ended_at, std::move(end.bills), until);
        co_return std::unexpected(turn_not_running());
    }
    WarmSession warm{.header = runs->header, .newest = std::move(runs->newest), .more = runs->more};
    if (!keeps_blocks(answer.message)) answer.message.blocks.clear();
    if (runs->rewritten && !warm.newest.empty())
        warm.newest.front() = std::move(answer);
    else
        warm.newest.insert(warm.newest.begin(), std::move(answer));
    for (DynamoMessage& each : warm.newest) {
        each.message.events.clear();
        each.message.outcome.reset();
        each.billed.clear();
    }
    cache_.put(key, std::move(warm));
    co_return Result<void>();
}

// `lost`: something else stands there, or the session is another process's.
async::Task<DynamoSessions::Outcome<void>> DynamoSessions::write_answer(const Running& runs, DynamoMessage answer,
                                                                        Deadline deadline) {
    const StoredMessage message = {.role = answer.message.role,
                                   .created_at = answer.message.created_at,
                                   .turn_id = answer.message.turn_id,
                                   .state = answer.message.state,
                                   .model = answer.message.model};
    Outcome<void> written;
    if (runs.rewritten) {
        written = co_await rewrite(runs.key, *runs.rewritten, std::move(answer), deadline);
    } else if (answer.message.timestamp == sessions::answer_place(runs.header.question_place)) {
        written = co_await history_.write({.key = runs.key}, std::move(answer), deadline);
    } else {
        // A place of its own choice has nothing that fences it: the header is looked at in the same transaction.
        DynamoUpdate update;
        std::string condition = update.alias("turn") + " = " + update.value(":me", dynamo_text(runs.turn_id)) +
                                " AND " + update.alias("by") + " = " + update.value(":by_me", dynamo_text(me_));
        DynamoExpression claimed = std::move(update).done();
        claimed.text = std::move(condition);
        written = co_await history_.write_if_claimed(runs.key, std::move(answer), header_key(runs.key),
                                                     std::move(claimed), base::make_id('w', random_), deadline);
    }
    if (written) co_return written;
    DynamoItem there;
    if (condition_failed(written.error())) {
        there = old_item(written.error());
    } else if (const auto item = transaction_failed_at(written.error(), 0)) {
        there = *item;
    } else if (!transaction_failed_at(written.error(), 1)) {
        co_return written;
    }
    if (is_the_same(there, message)) co_return Outcome<void>();
    co_return std::unexpected(aws::ServiceError{.code = "lost"});
}

// Keeps what the answer was, for the turn that wrote it; then writes the new one over it.
async::Task<DynamoSessions::Outcome<void>> DynamoSessions::rewrite(const SessionKey& key, const DynamoMessage& before,
                                                                   DynamoMessage answer, Deadline deadline) {
    DynamoMessage old = before;
    old.message.content.clear();
    old.billed.clear();
    std::vector<DynamoItem> items = encode_message(old);
    std::vector<json::object> requests;
    const std::string sk = before.message.turn_id + std::string(replaced_suffix);
    for (std::size_t i = 0; i < items.size(); ++i) {
        DynamoItem& item = items[i];
        for (auto& [name, value] : meta_key(turns_pk(key), i == 0 ? sk : fmt::format("{}.{:04}", sk, i)))
            item[name] = std::move(value);
        item["place"] = dynamo_text(before.message.timestamp);
        item["size"] = dynamo_number(static_cast<std::int64_t>(before.message.content.size()));
        item["next"] = dynamo_text(answer.message.turn_id);
        requests.push_back(put_request(std::move(item)));
    }
    if (auto kept = co_await client_.batch(settings_.tables.meta, std::move(requests), deadline); !kept)
        co_return std::unexpected(std::move(kept.error()));
    auto written =
        co_await history_.write({.key = key, .instead_of = before.message.turn_id}, std::move(answer), deadline);
    if (written && before.parts > 1)
        if (auto removed =
                co_await history_.remove_parts(key, before.message.timestamp, before.part_base, before.parts, deadline);
            !removed)
            log_.warn("parts of a replaced message were left", {{"session", key.session_id}});
    co_return written;
}

async::Task<void> DynamoSessions::keep_late_bills(SessionKey key, std::string turn_id, std::string ended_at,
                                                  std::vector<billing::Bill> bills, Deadline deadline) {
    if (bills.empty() || turn_id.empty()) co_return;
    // Whoever closed the turn may have made a bill for it.
    const auto there = co_await history_.read(
        key, {.max_messages = 6, .max_bytes = 1 << 20, .with_the_rest = true, .one_page = true}, deadline);
    if (there)
        for (const DynamoMessage& message : there->messages)
            for (const BilledTurn& billed : message.billed)
                if (billed.turn_id == turn_id) co_return;
    DynamoItem item = meta_key("B#" + key.owner, key.session_id + "|" + turn_id);
    item["session"] = dynamo_text(key.session_id);
    item["bills"] =
        dynamo_text(bills_to_json({{.turn_id = turn_id, .ended_at = std::move(ended_at), .bills = std::move(bills)}}));
    const auto kept = co_await client_.put(settings_.tables.meta, std::move(item),
                                           DynamoExpression{.text = "attribute_not_exists(pk)"}, deadline);
    if (!kept && !condition_failed(kept.error()))
        log_.error("the bills of a turn were not kept", {{"session", key.session_id}, {"turn", turn_id}});
}

// -- checkpoints -----------------------------------------------------------------------------------------------------

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
            DynamoItem item = meta_key(turns_pk(runs->key), piece_sk(runs->turn_id, ++runs->pieces));
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
                            {":from", dynamo_text(piece_sk(turn_id, pieces.last() + 1))},
                            {":to", dynamo_text(after_pieces_sk(turn_id))}}};
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

// -- idempotency keys ------------------------------------------------------------------------------------------------

async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> DynamoSessions::idempotency(std::string owner,
                                                                                                  std::string key,
                                                                                                  std::int64_t now_us) {
    if (key.empty()) co_return std::nullopt;
    const auto item = co_await client_.get(settings_.tables.meta, meta_key("I#" + owner, key), deadline());
    if (!item) co_return failed(item.error());
    if (!*item) co_return std::nullopt;
    sessions::IdempotencyRecord record = read_key(**item);
    if (record.expires_us <= now_us) co_return std::nullopt;
    co_return record;
}

async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> DynamoSessions::claim_key(
    std::string owner, sessions::IdempotencyRecord record, std::string instead_of, std::int64_t now_us) {
    DynamoExpression condition{.text = "attribute_not_exists(pk) OR expires <= :now",
                               .values = {{":now", dynamo_number(now_us)}}};
    if (!instead_of.empty()) {
        condition.text += " OR #turn = :freed";
        condition.names["#turn"] = "turn";
        condition.values[":freed"] = dynamo_text(instead_of);
    }
    const auto claimed =
        co_await client_.put(settings_.tables.meta, key_item(owner, record), std::move(condition), deadline());
    if (claimed) co_return std::nullopt;
    if (!condition_failed(claimed.error())) co_return failed(claimed.error());
    sessions::IdempotencyRecord there = read_key(old_item(claimed.error()));
    // An attempt whose answer was lost has done it.
    if (there.turn_id == record.turn_id) co_return std::nullopt;
    co_return there;
}

async::Task<base::Result<void>> DynamoSessions::free_key(std::string owner, std::string key, std::string turn_id) {
    DynamoExpression condition{
        .text = "#turn = :mine", .names = {{"#turn", "turn"}}, .values = {{":mine", dynamo_text(turn_id)}}};
    const auto freed =
        co_await client_.remove(settings_.tables.meta, meta_key("I#" + owner, key), std::move(condition), deadline());
    if (!freed && !condition_failed(freed.error())) co_return failed(freed.error());
    co_return Result<void>();
}

}  // namespace tertulia::storage
