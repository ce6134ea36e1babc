// One server per database.
#pragma once

#include <string>

#include "tertulia/base/error.h"

namespace tertulia::storage {

/// An exclusive flock(2) on a file beside the database, held until destruction; the kernel lets go of it when the
/// process dies, however that happens. Value (movable).
class FileLock {
  public:
    /// `unavailable`: another process holds it (named in the message, with `what`), or the file cannot be made.
    static base::Result<FileLock> acquire(const std::string& path, const std::string& what);

    FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace tertulia::storage
