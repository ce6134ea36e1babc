#include "tertulia/sessions/billed.h"

#include <array>

#include "tertulia/base/varint.h"

namespace tertulia::sessions {
namespace {

using chat::Usage;

constexpr std::array<std::int64_t Usage::*, 6> counts{&Usage::input,       &Usage::cache_read,
                                                      &Usage::cache_write, &Usage::cache_write_long,
                                                      &Usage::output,      &Usage::reasoning};
// More than any attempt takes or costs: whatever a store holds can be added up.
constexpr std::int64_t most = std::int64_t(1) << 50;
constexpr unsigned is_hedge = 1, input_estimated = 2, output_estimated = 4, has_cost = 8, all_flags = 15;

bool take_count(std::string_view& text, std::int64_t& into) {
    const auto count = base::take_varint(text, most);
    if (count) into = static_cast<std::int64_t>(*count);
    return count.has_value();
}

bool take_text(std::string_view& text, std::string& into) {
    const auto taken = base::take_sized(text);
    if (taken) into = *taken;
    return taken.has_value();
}

bool take_bill(std::string_view& text, billing::Bill& bill) {
    const auto flags = base::take_varint(text, all_flags);
    if (!flags || !take_text(text, bill.model) || !take_text(text, bill.price_version)) return false;
    bill.is_hedge = (*flags & is_hedge) != 0;
    bill.usage.input_estimated = (*flags & input_estimated) != 0;
    bill.usage.output_estimated = (*flags & output_estimated) != 0;
    for (const auto count : counts)
        if (!take_count(text, bill.usage.*count)) return false;
    return (*flags & has_cost) == 0 || take_count(text, bill.cost_nano.emplace());
}

}  // namespace

std::string Billed::to_text() const {
    std::string text;
    base::append_varint(text, static_cast<std::uint64_t>(prompt_tokens));
    for (const billing::Bill& bill : bills) {
        base::append_varint(text, (bill.is_hedge ? is_hedge : 0) | (bill.usage.input_estimated ? input_estimated : 0) |
                                      (bill.usage.output_estimated ? output_estimated : 0) |
                                      (bill.cost_nano ? has_cost : 0));
        base::append_sized(text, bill.model);
        base::append_sized(text, bill.price_version);
        for (const auto count : counts) base::append_varint(text, static_cast<std::uint64_t>(bill.usage.*count));
        if (bill.cost_nano) base::append_varint(text, static_cast<std::uint64_t>(*bill.cost_nano));
    }
    return text;
}

std::optional<Billed> Billed::from_text(std::string_view text) {
    Billed billed;
    if (!take_count(text, billed.prompt_tokens)) return std::nullopt;
    while (!text.empty())
        if (!take_bill(text, billed.bills.emplace_back())) return std::nullopt;
    return billed;
}

}  // namespace tertulia::sessions
