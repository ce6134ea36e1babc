// The tools that a model may call.
#pragma once

#include <cstdint>
#include <string>

namespace tertulia::chat {

/// A tool of the application's. Value.
struct Tool {
    std::string name;
    /// Empty: none.
    std::string description;
    /// The JSON schema of its arguments, an object's, as text.
    std::string schema;
    bool operator==(const Tool&) const = default;
};

/// Must the model call one? Value.
struct ToolChoice {
    enum class Kind : std::uint8_t {
        automatic,  ///< as it likes
        any,        ///< one of them
        none,       ///< it must not
        named,      ///< this one
    };
    Kind kind = Kind::automatic;
    std::string name;
    bool operator==(const ToolChoice&) const = default;
};

}  // namespace tertulia::chat
