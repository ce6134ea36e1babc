#include "tertulia/base/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tertulia::base {
namespace {

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t k = 1; k <= b.size(); ++k) {
            const std::size_t replace = diagonal + (a[i - 1] != b[k - 1]);
            diagonal = row[k];
            row[k] = std::min({replace, row[k] + 1, row[k - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view given, std::span<const std::string_view> known) {
    constexpr std::size_t longest = 64;  // the cost is the product of the sizes
    given = given.substr(0, longest);
    std::string_view best;
    std::size_t fewest = std::string_view::npos;
    for (const std::string_view name : known) {
        const std::size_t edits = distance(given, name);
        if (edits < fewest) {
            fewest = edits;
            best = name;
        }
    }
    return fewest * 2 <= best.size() ? best : std::string_view{};
}

}  // namespace tertulia::base
