// The prices of now.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/billing/price_table.h"

namespace tertulia::billing {

/// The table that bills are made by: the shipped one, then the rows of `file`, then those of the configuration. The
/// file is looked at again when a price is asked for (at most every `check_every`); a changed one takes effect at once,
/// for the bills that follow; a broken one changes nothing and is told to `on_reload`. Shared; safe from any thread.
class Prices {
  public:
    /// `message` for the log; `is_problem`: the old table stays.
    using OnReload = std::function<void(const std::string& message, bool is_problem)>;
    struct Options {
        /// Model and price, as the configuration has them.
        std::vector<std::pair<std::string, Price>> configured = {};
        /// JSON as PriceTable::parse takes it; empty: none.
        std::string file = {};
        base::Milliseconds check_every{2'000};
        OnReload on_reload = {};
    };
    /// invalid_request where the file cannot be read or is wrong. `clock` outlives the result.
    static base::Result<std::unique_ptr<Prices>> open(Options options, const base::Clock& clock);

    /// The shipped table alone: for tests.
    explicit Prices(const base::Clock& clock);

    /// The current table; keep it for as long as a Price of it is used.
    std::shared_ptr<const PriceTable> table();

    /// `bill` with its cost and price version, where a price is known.
    Bill priced(Bill bill);

    /// worst_case_nano by the model's name; nothing where no price is known.
    std::optional<std::int64_t> worst_case(std::string_view model, std::int64_t input_tokens, std::int64_t max_tokens);

  private:
    struct FileState {
        std::filesystem::file_time_type changed;
        std::uintmax_t size = 0;
        bool operator==(const FileState&) const = default;
    };
    Prices(Options options, const base::Clock& clock);
    base::Result<std::shared_ptr<const PriceTable>> read() const;
    std::optional<FileState> look() const;
    void reload();

    Options options_;
    const base::Clock& clock_;
    std::atomic<base::SteadyTime::rep> next_check_;
    std::mutex reload_mutex_;  // one thread reads the file, the others go on
    std::optional<FileState> seen_;
    std::mutex table_mutex_;
    std::shared_ptr<const PriceTable> table_;
};

}  // namespace tertulia::billing
