// The prices that are known, by model.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/billing/price.h"

namespace tertulia::billing {

/// Prices by `provider/id`. Value.
///
/// A model is found by its exact name; else as a dated or tagged edition of a name in the table
/// ("openai/gpt-5-2025-08-07" of "openai/gpt-5", "...@20250929", "...-20250929", "...-latest"). Bedrock's ids are also
/// found without their version ("-v1:0"), context size (":200k") and geography ("us.", "eu.", "apac.", "au.", "jp.",
/// "ca."), and inside the ARN of a foundation model or of a system-defined inference profile. Its global profiles have
/// rows of their own ("bedrock/global.…"), as they cost less. `openai-responses` has the prices of `openai`,
/// `bedrock-invoke` those of `bedrock`. Nothing else is taken for the same: a price is said, or unknown.
class PriceTable {
  public:
    /// From JSON (docs/configuration.md, `prices_file`): {"version": "YYYY-MM-DD", "prices": {"provider/id": {"input":
    /// "3", "output": "15", "cache_read", "cache_write", "cache_write_long", "tiers": [{"above": 200000, …}]}}};
    /// dollars per million tokens, as strings. invalid_request, with the row's name, where something is wrong.
    static base::Result<PriceTable> parse(std::string_view json);

    /// The table that is shipped with the program (prices.json).
    static const PriceTable& shipped();

    /// The table's date.
    const std::string& version() const { return version_; }

    /// Null: unknown.
    const Price* find(std::string_view name) const;

    /// Adds a row or replaces one.
    void set(std::string name, Price price) { prices_.insert_or_assign(std::move(name), std::move(price)); }

    /// The rows of `other` go before our own, and so does its version.
    void merge(const PriceTable& other);

    std::size_t size() const { return prices_.size(); }

  private:
    std::string version_;
    std::map<std::string, Price, std::less<>> prices_;
};

}  // namespace tertulia::billing
