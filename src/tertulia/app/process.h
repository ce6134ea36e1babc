// What concerns the process as a whole: its signals and limits.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tertulia::app {

/// SIGTERM and SIGINT, taken one by one by the main thread instead of interrupting whatever runs. Make it before any
/// thread is started: threads inherit what is blocked. For the main thread.
class StopSignals {
  public:
    StopSignals();

    /// The number of the next one, waiting for at most `limit` (nothing: none came).
    std::optional<int> wait(std::chrono::milliseconds limit);
};

/// A write to a closed connection, or to a file at its size limit, is an error and not the end of the process.
void ignore_write_signals();

/// Raises the number of files that may be open to the hard limit; what it is now.
std::uint64_t raise_open_file_limit();

}  // namespace tertulia::app
