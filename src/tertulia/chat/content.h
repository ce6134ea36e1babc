// The parts of a message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tertulia::chat {

struct Text {
    std::string text;
    bool operator==(const Text&) const = default;
};

/// A model's reasoning. It is shown, but sent back only to its maker, and only with its signature.
struct Thinking {
    std::string text;
    /// The maker's signature, byte for byte; empty where it gave none.
    std::string signature;
    /// The provider kind that made it ("anthropic-messages").
    std::string maker;
    bool operator==(const Thinking&) const = default;
};

struct ToolCall {
    std::string id;
    std::string name;
    /// A JSON object as text; `{}` for a call without arguments.
    std::string arguments;
    bool operator==(const ToolCall&) const = default;
};

/// A provider's own block (redacted thinking, server tools and their results, kinds not known yet), kept whole, with
/// its members in their order (only white space may differ), and sent back only to its maker.
struct Native {
    std::string json;
    std::string maker;
    bool operator==(const Native&) const = default;
};

/// A picture: its bytes, or where the provider can fetch it.
struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`; empty where `url` is set.
    std::string media_type;
    /// Base64 (RFC 4648, with padding); empty where `url` is set.
    std::string base64;
    std::string url;
    bool operator==(const Image&) const = default;
};

/// A document, in the same manner.
struct Document {
    /// `application/pdf`, `text/plain`, ...; empty where `url` is set.
    std::string media_type;
    std::string base64;
    std::string url;
    /// What the user calls it; empty: nothing.
    std::string name;
    bool operator==(const Document&) const = default;
};

/// What a tool gave, from the application.
struct ToolResult {
    /// The ToolCall's id.
    std::string call_id;
    std::vector<std::variant<Text, Image, Document>> content;
    /// The tool failed; `content` says how.
    bool is_error = false;
    bool operator==(const ToolResult&) const = default;
};

using ContentBlock = std::variant<Text, Thinking, ToolCall, Native, Image, Document, ToolResult>;

/// The text blocks joined with nothing between: the `message` of our API and the `content` column of the store.
std::string text_of(const std::vector<ContentBlock>& blocks);

/// Is it empty, or spaces, tabs and line ends of ASCII alone? Then it says nothing: no client may send it, and no
/// provider takes it as a text. Pure.
bool is_blank(std::string_view text);

/// Is it nothing but one text block? Then the store need not keep blocks beside the text.
bool is_plain_text(const std::vector<ContentBlock>& blocks);

/// About how many bytes of memory its texts and data take.
std::size_t byte_size(const std::vector<ContentBlock>& blocks);

/// The form in which the store keeps blocks: a JSON array of objects with `type`.
std::string blocks_to_json(const std::vector<ContentBlock>& blocks);
/// The other way round; unknown or malformed blocks are left out (a newer version may have written them).
std::vector<ContentBlock> blocks_from_json(std::string_view json);

}  // namespace tertulia::chat
