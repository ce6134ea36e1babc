// What Amazon Bedrock's model ids tell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tertulia::providers {

enum class BedrockFamily : std::uint8_t {
    claude,
    nova,
    other,  ///< or an ARN that does not say (an application inference profile's)
};

/// The family of a model's id, of an inference profile's ("us.anthropic.claude-...") or of an ARN with either.
BedrockFamily bedrock_family(std::string_view model);

/// Does the model take cache points? Claude since 3.5 Haiku and the second 3.5 Sonnet, and Nova; others refuse a
/// request with one.
bool bedrock_takes_cache_points(std::string_view model);

/// May the last message be the assistant's?
bool bedrock_takes_prefill(std::string_view model);

/// `/model/{id}/{operation}`, with everything in the id percent-encoded but letters, digits and `-._~`: the wire's
/// path, which SigV4 encodes once more.
std::string bedrock_path(std::string_view model, std::string_view operation);

}  // namespace tertulia::providers
