// Does a JSON object have a `content`?
#pragma once

#include <cstddef>
#include <string_view>

namespace tertulia::api {

/// Looks for a member `content` at the top level of a JSON text that comes in pieces, without keeping any of it. It
/// checks nothing else: what is no JSON object, or becomes malformed, is not found in, or found too much in, and the
/// parser says so when the text is whole. A name that is written with escapes is not recognised. Value.
class ContentScanner {
  public:
    /// The next bytes. True from when the name's closing quotation mark has come.
    bool feed(std::string_view bytes);
    bool found() const { return state_ == State::found; }

  private:
    enum class State : unsigned char {
        before,   // the object's brace
        name,     // a member's name may begin
        in_name,  // in a name
        value,    // up to the comma behind the value
        in_text,  // in a string of a value
        over,     // nothing can come any more
        found,
    };
    void step(char c);

    State state_ = State::before;
    std::size_t depth_ = 0;    // of brackets within the value
    std::size_t matched_ = 0;  // characters of the name that are those of `content`
    bool is_other_ = false;    // the name has a character that is not
    bool is_escaped_ = false;
};

}  // namespace tertulia::api
