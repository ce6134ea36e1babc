// How large a message is for a model.
#pragma once

#include <cstdint>
#include <vector>

#include "tertulia/chat/message.h"
#include "tertulia/chat/tool.h"

namespace tertulia::sessions {

/// Plain estimates of tokens, as models::estimate_tokens makes them. Value.
struct MessageSize {
    /// Of text, calls and results, and of what a provider puts around a message.
    std::int64_t text_tokens = 0;
    /// Of images and documents, about which little can be known from outside: an image counts 1,600 tokens (what
    /// Anthropic takes for one of the largest size that it does not shrink; OpenAI takes 85 to 1,500), a document of
    /// text a quarter of its bytes, another one 2,000 for each 100 KiB (a page), and from 2,000 to 50,000 altogether.
    /// Good enough for making room, off by a factor of several in either direction: never a reason to refuse a message.
    std::int64_t media_tokens = 0;
    /// Of the request's body, about.
    std::int64_t bytes = 0;

    std::int64_t tokens() const { return text_tokens + media_tokens; }
    MessageSize& operator+=(const MessageSize& other);
    MessageSize& operator-=(const MessageSize& other);
};

/// Pure.
MessageSize size_of(const chat::Message& message);

/// The plain estimate of what declaring tools takes. Pure.
std::int64_t tokens_of(const std::vector<chat::Tool>& tools);

}  // namespace tertulia::sessions
