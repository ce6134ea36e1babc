// Any bytes as an answer of Bedrock's InvokeModel: no crash, valid UTF-8, and the same outcome however they are cut.
#include "bedrock_fuzz.h"
#include "tertulia/base/base64.h"
#include "tertulia/providers/bedrock_invoke_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tertulia;
    fuzz::fuzz_bedrock(
        data, size,
        [](std::string_view type) {
            return std::make_unique<providers::BedrockInvokeReader>(type, base::Secret("key"), "model");
        },
        [](std::string_view line) {
            // A payload as it is, where it begins with a brace of its own; else the event within it.
            return line.starts_with("{{") ? std::string(line.substr(1))
                                          : R"({"bytes":")" + base::encode_base64(line) + R"("})";
        });
    return 0;
}
