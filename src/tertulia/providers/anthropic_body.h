// The body of a Messages request, in the forms in which its hosts take it.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/models/provider.h"

namespace tertulia::providers {

/// How a host's form of Anthropic's Messages API differs. Value.
struct AnthropicForm {
    /// The provider kind whose thinking and native blocks are sent back.
    std::string_view maker;
    bool takes_temperature = true;
    /// May a picture or document be a URL, which the host fetches?
    bool takes_urls = true;
    /// May tool_choice be `none`?
    bool takes_no_choice = true;
    bool takes_cache_marks = true;
};

/// Appends what all hosts take in the same form, without the braces around it: first what a prompt cache keeps (tools,
/// system, messages, each with its breakpoint), then the parameters, which may change from turn to turn.
void append_anthropic_members(std::string& out, const models::ModelRequest& request, const AnthropicForm& form);

}  // namespace tertulia::providers
