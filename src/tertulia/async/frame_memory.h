// The memory of coroutine frames.
#pragma once

#include <cstddef>

namespace tertulia::async {

/// A turn enters some sixty coroutines, of a few sizes, over and over: freed frames are kept for the next ones of the
/// same size, up to a limit. Each thread keeps its own, so a frame may be freed by another thread than the one that
/// made it. Shared; safe from any thread.
void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

}  // namespace tertulia::async
