// What the writers of request bodies share.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/models/provider.h"

namespace tertulia::providers {

/// Nothing but white space (form feeds too, unlike chat::is_blank), which Anthropic's and Bedrock's APIs refuse as a
/// text block.
bool is_white_space(std::string_view text);

/// Appends `,"name":"text"`.
void append_text_member(std::string& out, std::string_view name, std::string_view text);

/// Appends `[...]` of strings.
void append_texts(std::string& out, const std::vector<std::string>& texts);

/// A tool call's arguments as a JSON object: `{}` where they are none (a call that was cut off, or a model's mistake).
std::string_view arguments_or_empty(const std::string& arguments);

/// A tool call's id as every API takes it: letters, digits, `_` and `-`, at most `max_size`. Others, which another
/// provider may have given, are replaced by a name made of their digest: a call and its result keep the same one.
std::string portable_call_id(std::string_view id, std::size_t max_size = 64);

/// The tools that a request defines, and what is said of their use. Value.
struct UsableTools {
    std::vector<chat::Tool> tools;
    std::optional<chat::ToolChoice> choice;
};

/// The request's own; where it has none but the conversation holds tool calls, which Anthropic and Bedrock refuse
/// without definitions, one for each name called, with the choice `none`. `takes_none`: does the API know that choice?
/// Otherwise no tools are defined where none may be used, or, where the conversation needs them, no choice is made.
UsableTools usable_tools(const models::ModelRequest& request, bool takes_none);

/// The schema of a tool's arguments; an object of anything where it gives none.
std::string_view schema_or_any(const chat::Tool& tool);

/// What a text block says instead of a picture or document that this API does not take.
std::string stand_in(const chat::Image& image);
std::string stand_in(const chat::Document& document);

/// The places in a body where a prompt cache may end within the conversation: at most two, the end of the stable
/// history and, two messages before, that of the last request's, which is found there however many blocks have come
/// since (Anthropic looks back over 20). One per worker.
class CacheMarks {
  public:
    explicit CacheMarks(std::size_t stable_messages) : stable_messages_(stable_messages) {}

    /// Message `number` may have its mark at `offset` of the body; a later offset of the same message replaces it.
    void offer(std::size_t number, std::size_t offset);
    /// Puts `mark` into the body at each place.
    void insert(std::string& body, std::string_view mark) const;

  private:
    struct Place {
        std::size_t message = 0;
        std::size_t offset = 0;
    };
    std::size_t stable_messages_;
    std::vector<Place> places_;
};

}  // namespace tertulia::providers
