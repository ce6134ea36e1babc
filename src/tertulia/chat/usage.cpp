#include "tertulia/chat/usage.h"

namespace tertulia::chat {

Usage& Usage::operator+=(const Usage& other) {
    input += other.input;
    cache_read += other.cache_read;
    cache_write += other.cache_write;
    cache_write_long += other.cache_write_long;
    output += other.output;
    reasoning += other.reasoning;
    input_estimated = input_estimated || other.input_estimated;
    output_estimated = output_estimated || other.output_estimated;
    return *this;
}

}  // namespace tertulia::chat
