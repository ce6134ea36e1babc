#include "tertulia/storage/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace tertulia::storage {

base::Result<FileLock> FileLock::acquire(const std::string& path, const std::string& what) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return base::fail(base::Errc::unavailable,
                          fmt::format("Cannot open {}: {}", path, std::generic_category().message(errno)));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int why = errno;
        std::array<char, 24> holder{};
        const ssize_t size = ::pread(fd, holder.data(), holder.size() - 1, 0);
        ::close(fd);
        if (why != EWOULDBLOCK)
            return base::fail(base::Errc::unavailable,
                              fmt::format("Cannot lock {}: {}", path, std::generic_category().message(why)));
        std::string process = size > 0 ? std::string(holder.data(), static_cast<std::size_t>(size)) : std::string();
        while (!process.empty() && process.back() == '\n') process.pop_back();
        return base::fail(base::Errc::unavailable,
                          fmt::format("{} is in use by another server{}; stop that one first or choose another store",
                                      what, process.empty() ? "" : fmt::format(" (process {})", process)));
    }
    // For people only: the lock itself is the kernel's, so a stale number does no harm.
    const std::string process = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd, 0) == 0) [[maybe_unused]]
        const ssize_t written = ::pwrite(fd, process.data(), process.size(), 0);
    return FileLock(fd);
}

FileLock::~FileLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace tertulia::storage
