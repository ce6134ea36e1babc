// What an owner's turns have cost, added up from the bills in DynamoDB.
#include <set>

#include "tertulia/base/date_text.h"
#include "tertulia/storage/dynamodb_sessions.h"
#include "tertulia/storage/memory_ledger.h"

namespace tertulia::storage {
namespace {

// No turn takes longer: what ended after a moment began after this much before it.
constexpr std::int64_t longest_turn_us = 86'400'000'000;

}  // namespace

async::Task<base::Result<sessions::UsageReport>> DynamoSessions::usage(sessions::UsageQuery query) {
    const Deadline until = deadline();
    MemoryLedger ledger;
    std::set<std::pair<std::string, std::string>> counted;
    const auto add = [&](const std::string& session, const std::vector<BilledTurn>& all) {
        for (const BilledTurn& billed : all)
            if (counted.emplace(session, billed.turn_id).second)
                ledger.add({.key = {query.owner, session}, .turn_id = billed.turn_id}, billed.ended_at, billed.bills);
    };
    const std::int64_t begun_us = query.from_us - longest_turn_us;
    std::vector<std::string> ids;
    if (!query.session_id.empty()) {
        ids.push_back(query.session_id);
    } else {
        DynamoQuery headers = query_of(settings_.tables.meta, header_pk(query.owner), headers_prefix);
        headers.projection = "sk, #place";
        headers.key.names["#place"] = "place";
        do {
            auto page = co_await client_.query(headers, until);
            if (!page) co_return failed(page.error());
            for (const DynamoItem& item : page->items) {
                // The place of the last turn's question: no turn began later.
                const auto last_us = base::parse_rfc3339(text_of(item, "place"));
                if (!last_us || *last_us >= begun_us) ids.emplace_back(session_of_header(item));
            }
            headers.from = std::move(page->next);
        } while (headers.from);
    }
    for (const std::string& id : ids) {
        std::string from;
        if (begun_us > 0) from = base::format_timestamp(begun_us);
        auto bills = co_await history_.bills({query.owner, id}, std::move(from), until);
        if (!bills) co_return failed(bills.error());
        add(id, *bills);
    }
    DynamoQuery kept = query_of(settings_.tables.meta, kept_bills_pk(query.owner),
                                query.session_id.empty() ? std::string() : kept_bills_prefix(query.session_id));
    do {
        auto page = co_await client_.query(kept, until);
        if (!page) co_return failed(page.error());
        for (const DynamoItem& item : page->items)
            add(std::string(text_of(item, "session")), bills_from_json(text_of(item, "bills")));
        kept.from = std::move(page->next);
    } while (kept.from);
    co_return ledger.usage(query);
}

}  // namespace tertulia::storage
