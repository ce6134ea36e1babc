#include "tertulia/billing/prices.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "tertulia/billing/cost.h"

namespace tertulia::billing {
namespace {

constexpr std::uintmax_t most_bytes = 16 << 20;

base::Result<std::string> read_file(const std::string& path) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) return base::fail(base::Errc::invalid_request, fmt::format("{}: {}", path, error.message()));
    if (size > most_bytes) return base::fail(base::Errc::invalid_request, fmt::format("{}: over 16 MiB", path));
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) return base::fail(base::Errc::invalid_request, fmt::format("{}: cannot be read", path));
    return text;
}

}  // namespace

Prices::Prices(const base::Clock& clock) : Prices(Options{}, clock) {
    table_ = std::make_shared<const PriceTable>(PriceTable::shipped());
}

Prices::Prices(Options options, const base::Clock& clock)
    : options_(std::move(options)), clock_(clock), next_check_(clock.steady().time_since_epoch().count()) {}

base::Result<std::unique_ptr<Prices>> Prices::open(Options options, const base::Clock& clock) {
    std::unique_ptr<Prices> prices(new Prices(std::move(options), clock));
    prices->seen_ = prices->look();
    auto table = prices->read();
    if (!table) return std::unexpected(std::move(table.error()));
    prices->table_ = std::move(*table);
    return prices;
}

std::optional<Prices::FileState> Prices::look() const {
    std::error_code error;
    FileState state{.changed = std::filesystem::last_write_time(options_.file, error)};
    if (!error) state.size = std::filesystem::file_size(options_.file, error);
    return error ? std::nullopt : std::optional(state);
}

base::Result<std::shared_ptr<const PriceTable>> Prices::read() const {
    auto table = std::make_shared<PriceTable>(PriceTable::shipped());
    if (!options_.file.empty()) {
        const auto text = read_file(options_.file);
        if (!text) return std::unexpected(text.error());
        auto more = PriceTable::parse(*text);
        if (!more) {
            base::Error error = more.error();
            error.message = fmt::format("{}: {}", options_.file, error.message);
            return std::unexpected(std::move(error));
        }
        table->merge(*more);
    }
    for (const auto& [name, price] : options_.configured) table->set(name, price);
    return table;
}

void Prices::reload() {
    const std::unique_lock lock(reload_mutex_, std::try_to_lock);
    if (!lock) return;
    const auto now = look();
    if (now == seen_) return;
    seen_ = now;
    auto fresh = read();
    if (fresh) {
        const std::lock_guard guard(table_mutex_);
        table_ = *fresh;
    }
    if (!options_.on_reload) return;
    if (fresh)
        options_.on_reload(fmt::format("prices of {} in use ({})", (*fresh)->version(), options_.file), false);
    else
        options_.on_reload(fmt::format("{}; the prices stay as they were", fresh.error().message), true);
}

std::shared_ptr<const PriceTable> Prices::table() {
    if (!options_.file.empty()) {
        const auto now = clock_.steady();
        auto due = next_check_.load(std::memory_order_relaxed);
        const auto next = (now + options_.check_every).time_since_epoch().count();
        if (now.time_since_epoch().count() >= due && next_check_.compare_exchange_strong(due, next)) reload();
    }
    const std::lock_guard lock(table_mutex_);
    return table_;
}

Bill Prices::priced(Bill bill) {
    const auto current = table();
    if (const Price* price = current->find(bill.model)) {
        bill.cost_nano = cost_nano(bill.usage, *price);
        bill.price_version = price->version;
    }
    return bill;
}

std::optional<std::int64_t> Prices::worst_case(std::string_view model, std::int64_t input_tokens,
                                               std::int64_t max_tokens) {
    const auto current = table();
    const Price* price = current->find(model);
    return price ? std::optional(worst_case_nano(*price, input_tokens, max_tokens)) : std::nullopt;
}

}  // namespace tertulia::billing
