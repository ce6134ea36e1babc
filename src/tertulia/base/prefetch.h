// Memory that will be wanted soon.
#pragma once

#include <cstddef>

namespace tertulia::base {

/// Has the `size` bytes at `memory` brought into the caches while something else is done: where a loop goes through
/// thousands of objects that were not looked at for a while, waiting for the memory is most of its time. Null is
/// allowed. Shared; safe from any thread.
inline void prefetch(const void* memory, std::size_t size) {
    constexpr std::size_t line = 64;
    if (!memory) return;
    const char* const bytes = static_cast<const char*>(memory);
    for (std::size_t at = 0; at < size; at += line) __builtin_prefetch(bytes + at);
}

/// The whole of an object.
template <class T>
void prefetch(const T* object) {
    prefetch(object, sizeof(T));
}

}  // namespace tertulia::base
