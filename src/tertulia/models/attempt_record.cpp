#include "tertulia/models/attempt_record.h"

#include <algorithm>

namespace tertulia::models {

std::string_view AttemptRecord::outcome() const {
    switch (end) {
        case End::ok:
            return "ok";
        case End::cancelled:
            return "cancelled";
        case End::failed:
            break;
    }
    return base::to_string(code);
}

chat::Usage AttemptRecord::usage() const {
    if (reported && end == End::ok) return *reported;
    // Of an answer that was cut off the provider has told its input at most.
    chat::Usage usage = reported.value_or(chat::Usage{.input = prompt_estimate, .input_estimated = true});
    usage.output = std::max(usage.output, output_estimate);
    usage.reasoning = std::max(usage.reasoning, reasoning_estimate);
    usage.output_estimated = true;
    return usage;
}

}  // namespace tertulia::models
