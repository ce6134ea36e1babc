// How several processes count a budget together in DynamoDB: one item for each window of it, with `used` (what was
// spent, and what turns hold) and, for each turn that holds something, how much and since when.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::SessionKey;

namespace {

constexpr int hold_tries = 6;
// How many of those that hold something are looked at, where there is no room.
constexpr std::size_t looked_at = 8;
// A turn that is alive has claimed its session at least; a call that is no turn does not take longer.
constexpr std::int64_t soonest_lapse_ms = 10'000, call_lapse_ms = 900'000;
constexpr std::chrono::hours kept_longer{24 * 7}, unused_kept{24 * 400};
constexpr std::string_view held_prefix = "h:", since_prefix = "s:";

std::string held_name(std::string_view id) {
    return fmt::format("{}{}", held_prefix, id);
}
std::string since_name(std::string_view id) {
    return fmt::format("{}{}", since_prefix, id);
}
const std::string& id_of(const sessions::TurnName& turn) {
    return turn.turn_id.empty() ? turn.key.session_id : turn.turn_id;
}

// A turn that holds something, as its item says.
struct Holder {
    std::string id;
    std::int64_t since_ms = 0;
    std::string session_id;  // empty: a call that is no turn
};

std::vector<Holder> holders_of(const DynamoItem& item) {
    std::vector<Holder> holders;
    for (const auto& [name, value] : item) {
        const std::string_view key = name;
        if (!key.starts_with(since_prefix)) continue;
        Holder& holder = holders.emplace_back(Holder{.id = std::string(key.substr(since_prefix.size()))});
        const std::string_view text = text_of(item, key);
        const auto read = std::from_chars(text.data(), text.data() + text.size(), holder.since_ms);
        if (*read.ptr == '|') holder.session_id = text.substr(static_cast<std::size_t>(read.ptr - text.data()) + 1);
    }
    std::ranges::sort(holders, {}, &Holder::since_ms);
    return holders;
}

}  // namespace

async::Task<base::Result<std::optional<sessions::BudgetShortage>>> DynamoSessions::hold_budgets(
    sessions::BudgetHold hold) {
    const Deadline until = deadline();
    for (std::size_t i = 0; i < hold.budgets.size(); ++i) {
        const auto left = co_await hold_one(hold, hold.budgets[i], until);
        if (left && !*left) continue;
        // In all of them, or in none. Where that fails it is settled as if the turn's process were gone.
        for (std::size_t k = 0; k < i; ++k) co_await give_back_one(hold, hold.budgets[k].window, until);
        if (!left) co_return std::unexpected(left.error());
        co_return sessions::BudgetShortage{.which = i, .left_nano = **left};
    }
    co_return std::nullopt;
}

// What is left, where that is not enough.
async::Task<base::Result<std::optional<std::int64_t>>> DynamoSessions::hold_one(const sessions::BudgetHold& hold,
                                                                                const sessions::SharedBudget& budget,
                                                                                Deadline deadline) {
    const std::string held = held_name(id_of(hold.turn));
    bool has_looked = false;
    std::int64_t left = 0;
    for (int tries = 0; tries < hold_tries; ++tries) {
        DynamoUpdate update;
        const std::string session = hold.turn.turn_id.empty() ? std::string() : hold.turn.key.session_id;
        update.add("used", hold.nano)
            .add(held, hold.nano)
            .set(since_name(id_of(hold.turn)), dynamo_text(fmt::format("{}|{}", now_ms(), session)))
            .set("ttl", dynamo_number(budget_ttl(budget.window)));
        std::string condition =
            update.alias("used") + " <= " + update.value(":room", dynamo_number(budget.limit_nano - hold.nano));
        const auto done = co_await client_.update(settings_.tables.meta, budget_key(budget.window),
                                                  std::move(update).done(), std::move(condition), deadline);
        if (done) co_return std::nullopt;
        if (!condition_failed(done.error())) co_return failed(done.error());
        const DynamoItem there = old_item(done.error());
        if (there.empty()) {
            if (auto begun = co_await begin_count(budget, deadline); !begun) co_return std::unexpected(begun.error());
            continue;
        }
        // An attempt whose answer was lost has done it.
        if (number_of(there, held).value_or(0) >= hold.held_nano + hold.nano) co_return std::nullopt;
        left = std::max<std::int64_t>(0, budget.limit_nano - number_of(there, "used").value_or(0));
        if (std::exchange(has_looked, true)) break;
        const auto freed = co_await settle_lapsed(budget.window, there, deadline);
        if (!freed) co_return std::unexpected(freed.error());
        if (!*freed) break;
    }
    co_return left;
}

// Nobody has counted the window yet: what was spent in it is in the ledger.
async::Task<base::Result<void>> DynamoSessions::begin_count(const sessions::SharedBudget& budget, Deadline deadline) {
    std::int64_t spent = budget.spent_nano.value_or(0);
    if (!budget.spent_nano) {
        const auto report = co_await usage({.owner = budget.window.owner,
                                            .session_id = budget.window.session_id,
                                            .from_us = budget.window.from_us,
                                            .to_us = budget.window.to_us});
        if (!report) co_return std::unexpected(report.error());
        spent = report->total.cost_nano + report->total.hedge_nano;
    }
    DynamoItem item = budget_key(budget.window);
    item["used"] = dynamo_number(spent);
    item["ttl"] = dynamo_number(budget_ttl(budget.window));
    const auto begun = co_await client_.put(settings_.tables.meta, std::move(item),
                                            DynamoExpression{.text = "attribute_not_exists(pk)"}, deadline);
    if (!begun && !condition_failed(begun.error())) co_return failed(begun.error());
    co_return Result<void>();
}

async::Task<void> DynamoSessions::give_back_one(const sessions::BudgetHold& hold, const billing::BudgetWindow& window,
                                                Deadline deadline) {
    const std::string& id = id_of(hold.turn);
    if (hold.held_nano == 0) {
        co_await settle_one(window, id, hold.nano, 0, deadline);
        co_return;
    }
    DynamoUpdate update;
    update.add("used", -hold.nano).add(held_name(id), -hold.nano);
    std::string condition =
        update.alias(held_name(id)) + " >= " + update.value(":both", dynamo_number(hold.held_nano + hold.nano));
    co_await client_.update(settings_.tables.meta, budget_key(window), std::move(update).done(), std::move(condition),
                            deadline);
}

async::Task<base::Result<void>> DynamoSessions::settle_budgets(sessions::BudgetSettlement settlement) {
    const Deadline until = deadline();
    Result<void> result;
    for (const billing::BudgetWindow& window : settlement.windows) {
        const auto settled =
            co_await settle_one(window, id_of(settlement.turn), settlement.held_nano, settlement.spent_nano, until);
        if (!settled) result = failed(settled.error());
    }
    co_return result;
}

// What the turn held becomes what it has spent. Nothing happens where somebody has done so already.
async::Task<DynamoSessions::Outcome<void>> DynamoSessions::settle_one(const billing::BudgetWindow& window,
                                                                      std::string id, std::int64_t held,
                                                                      std::int64_t spent, Deadline deadline) {
    for (int tries = 0; tries < hold_tries; ++tries) {
        DynamoUpdate update;
        update.add("used", spent - held).remove(held_name(id)).remove(since_name(id));
        std::string condition = update.alias(held_name(id)) + " = " + update.value(":held", dynamo_number(held));
        auto done = co_await client_.update(settings_.tables.meta, budget_key(window), std::move(update).done(),
                                            std::move(condition), deadline);
        if (done) break;
        if (!condition_failed(done.error())) co_return std::unexpected(std::move(done.error()));
        // Attempts whose answers were lost may have set more aside than the turn knows.
        const auto there = number_of(old_item(done.error()), held_name(id));
        if (!there) break;
        held = *there;
    }
    co_return Outcome<void>();
}

// Those whose process is gone hold no more: what they have cost is in the ledger, or will be when they are closed
// (which happens here). False: there are none.
async::Task<base::Result<bool>> DynamoSessions::settle_lapsed(const billing::BudgetWindow& window,
                                                              const DynamoItem& item, Deadline deadline) {
    bool any = false;
    std::size_t looks = 0;
    for (const Holder& holder : holders_of(item)) {
        const std::int64_t age_ms = now_ms() - holder.since_ms;
        if (age_ms < soonest_lapse_ms || looks++ == looked_at) break;
        std::int64_t spent = 0;
        if (holder.session_id.empty()) {
            if (age_ms < call_lapse_ms) continue;
        } else {
            const SessionKey key{window.owner, holder.session_id};
            const auto header = co_await read_header(key, deadline);
            if (!header) co_return failed(header.error());
            const bool is_last = *header && (*header)->turn == holder.id;
            if (is_last && runs_now(key, **header)) continue;
            if (auto closed = co_await find_turn({key, holder.id}, true, deadline); !closed)
                co_return std::unexpected(closed.error());
            const auto cost = co_await cost_of_turn(key, holder.id, deadline);
            if (!cost) co_return failed(cost.error());
            spent = *cost;
        }
        const std::int64_t held = number_of(item, held_name(holder.id)).value_or(0);
        if (auto settled = co_await settle_one(window, holder.id, held, spent, deadline); !settled)
            co_return failed(settled.error());
        log_.info("the budget that a turn held is settled, its process is gone", {{"turn", holder.id}});
        any = true;
    }
    co_return any;
}

async::Task<DynamoSessions::Outcome<std::int64_t>> DynamoSessions::cost_of_turn(const SessionKey& key,
                                                                                const std::string& turn_id,
                                                                                Deadline deadline) {
    auto billed = co_await history_.bills(key, {}, deadline);
    if (!billed) co_return std::unexpected(std::move(billed.error()));
    DynamoQuery kept =
        query_of(settings_.tables.meta, kept_bills_pk(key.owner), kept_bills_sk(key.session_id, turn_id));
    const auto page = co_await client_.query(std::move(kept), deadline);
    if (!page) co_return std::unexpected(page.error());
    for (const DynamoItem& item : page->items)
        for (BilledTurn& turn : bills_from_json(text_of(item, "bills"))) billed->push_back(std::move(turn));
    const auto found = std::ranges::find(*billed, turn_id, &BilledTurn::turn_id);
    co_return found == billed->end() ? 0 : cost_of(found->bills);
}

// A while after its end; of a window that has none, after its last use.
std::int64_t DynamoSessions::budget_ttl(const billing::BudgetWindow& window) const {
    if (window.to_us == billing::BudgetWindow::no_end) return ttl_in(unused_kept);
    return window.to_us / 1'000'000 + std::chrono::seconds(kept_longer).count();
}

}  // namespace tertulia::storage
