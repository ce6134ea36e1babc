// Memory that will be wanted soon.
#pragma once

#include <cstddef>

namespace tertulia::base {

/// Has what `object` points to brought into the caches while something else is done: where a loop goes through
/// thousands of objects that were not looked at for a while, waiting for the memory is most of its time. Null is
/// allowed. Shared; safe from any thread.
template <class T>
void prefetch(const T* object) {
    constexpr std::size_t line = 64;
    const char* const bytes = reinterpret_cast<const char*>(object);
    for (std::size_t at = 0; at < sizeof(T); at += line) __builtin_prefetch(bytes + at);
}

}  // namespace tertulia::base
