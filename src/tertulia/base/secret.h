// A string that cannot be printed by accident.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tertulia::base {

/// A key or token. Prints as `***`; the text is had only through `reveal()`, so that every use can be found by that
/// name. Value.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string text)
        : text_(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text))) {}

    const std::string& reveal() const {
        static const std::string nothing;
        return text_ ? *text_ : nothing;
    }
    bool empty() const { return !text_; }

  private:
    std::shared_ptr<const std::string> text_;  // every answer that is read holds some
};

/// `text` with every occurrence of `secret` made `***`: for error texts that come from outside and may repeat a key.
std::string redact(std::string text, const Secret& secret);

}  // namespace tertulia::base

template <>
struct fmt::formatter<tertulia::base::Secret> : fmt::formatter<std::string_view> {
    auto format(const tertulia::base::Secret&, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format("***", context);
    }
};
