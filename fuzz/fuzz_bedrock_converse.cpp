// Any bytes as an answer of Bedrock's Converse: no crash, valid UTF-8, and the same outcome however they are cut.
#include "bedrock_fuzz.h"
#include "tertulia/providers/bedrock_converse_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tertulia;
    fuzz::fuzz_bedrock(
        data, size,
        [](std::string_view type) {
            return std::make_unique<providers::BedrockConverseReader>(type, base::Secret("key"));
        },
        [](std::string_view line) { return std::string(line); });
    return 0;
}
