// Any bytes as an answer of the Responses API: no crash, valid UTF-8, and the same outcome however they are cut.
#include "reader_fuzz.h"
#include "tertulia/providers/openai_responses_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tertulia::fuzz::fuzz_reader<tertulia::providers::OpenAiResponsesReader>(data, size);
    return 0;
}
