// What a message or a tool's result holds, as OpenAI's dialects can say it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tertulia/chat/content.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/tool.h"

namespace tertulia::providers {

/// Collects content in its order. Text documents become text; a document that the server cannot be shown becomes a line
/// of text that says so. Refers to the blocks that were added. Value.
class OpenAiParts {
  public:
    using Part = std::variant<std::string, const chat::Image*, const chat::Document*>;

    struct Server {
        /// Documents as base64, and as addresses that the server fetches.
        bool has_files = false;
        bool has_file_urls = false;
    };
    explicit OpenAiParts(Server server) : server_(server) {}

    void add(const chat::Text& text);
    void add(const chat::Image& image) { parts_.emplace_back(&image); }
    void add(const chat::Document& document);
    /// A paragraph of text, apart from its neighbours.
    void add_paragraph(std::string_view text);

    bool empty() const { return parts_.empty(); }
    const std::vector<Part>& parts() const { return parts_; }
    /// All text, and nothing of the rest.
    std::string text() const;
    bool is_only_text() const { return parts_.empty() || (parts_.size() == 1 && parts_.front().index() == 0); }

  private:
    Server server_;
    std::vector<Part> parts_;  // two texts never follow each other
    bool ends_paragraph_ = false;
};

/// Does the conversation hold documents that go as files where the server takes those?
bool holds_files(const std::vector<chat::Message>& messages);

/// A tool's result: what a text of a `tool` message or a `function_call_output` says, and the rest.
OpenAiParts parts_of(const chat::ToolResult& result, OpenAiParts::Server server);

/// The address of an image or document with its bytes in it: `"data:image/png;base64,..."`, as a JSON string.
void append_data_url(std::string& out, std::string_view media_type, std::string_view base64);

/// The schema of a tool's arguments. OpenAI refuses an object's that names no properties, where others take it: such a
/// one is given an empty list.
std::string openai_schema(const chat::Tool& tool);

/// How a function is named: in a member of its own (Chat Completions) or beside `type` (Responses).
enum class FunctionForm : std::uint8_t { nested, flat };

/// Appends `,"tool_choice":...`.
void append_tool_choice(std::string& out, const chat::ToolChoice& choice, FunctionForm form);

/// Appends `,"prompt_cache_key":...`, the digest of ModelRequest::conversation: requests with one key meet the same
/// prompt caches, and the server, which keeps it, learns nothing of the owner. Nothing where there is none.
void append_cache_key(std::string& out, std::string_view conversation);

/// What a document is called: its name, or one made of its type ("document.pdf").
std::string file_name(const chat::Document& document);

}  // namespace tertulia::providers
