#include "tertulia/storage/sqlite_log_file.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>

namespace tertulia::storage {
namespace {

constexpr const char* name = "tertulia-log";
// More than that SQLite's files for Unix do not take in one call (they look at the last 17 bits of a length: pages are
// 64 KB at most).
constexpr std::size_t most_waiting = (1 << 17) - 1;

sqlite3_vfs& system_vfs() {
    static sqlite3_vfs& vfs = *sqlite3_vfs_find(nullptr);
    return vfs;
}

// SQLite gives the memory for it, and for the system's own file right behind it.
struct LogFile : sqlite3_file {
    std::string waiting;
    sqlite3_int64 begin = 0;  // where `waiting` belongs

    sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    const sqlite3_io_methods& system() { return *inner()->pMethods; }

    int flush() {
        if (waiting.empty()) return SQLITE_OK;
        const int code = system().xWrite(inner(), waiting.data(), static_cast<int>(waiting.size()), begin);
        // After a failure the transaction is rolled back, and the next one writes to the same place.
        waiting.clear();
        return code;
    }
};

static_assert(alignof(LogFile) <= 8, "SQLite aligns to 8 bytes");

LogFile& log_of(sqlite3_file* file) {
    return *static_cast<LogFile*>(file);
}

/// A method that acts on the file as the system has it: what waits is written first.
template <auto method, class... Arguments>
int after_flush(sqlite3_file* file, Arguments... arguments) {
    LogFile& log = log_of(file);
    if (const int code = log.flush(); code != SQLITE_OK) return code;
    return (log.system().*method)(log.inner(), arguments...);
}

/// One that has nothing to do with the file's content.
template <auto method, class... Arguments>
int pass(sqlite3_file* file, Arguments... arguments) {
    LogFile& log = log_of(file);
    return (log.system().*method)(log.inner(), arguments...);
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    LogFile& log = log_of(file);
    const auto length = static_cast<std::size_t>(size);
    const bool follows = offset == log.begin + std::ssize(log.waiting) && log.waiting.size() + length <= most_waiting;
    if (!follows) {
        if (const int code = log.flush(); code != SQLITE_OK) return code;
    }
    if (log.waiting.empty()) log.begin = offset;
    try {
        log.waiting.append(static_cast<const char*>(data), length);
    } catch (const std::bad_alloc&) {
        return SQLITE_IOERR_NOMEM;
    }
    return SQLITE_OK;
}

int close(sqlite3_file* file) {
    LogFile& log = log_of(file);
    // Only what was never synced, and so never committed, can be lost here.
    log.flush();
    const int code = log.system().xClose(log.inner());
    std::destroy_at(&log);
    return code;
}

using Methods = sqlite3_io_methods;
const Methods methods = {
    .iVersion = 1,
    .xClose = close,
    .xRead = after_flush<&Methods::xRead, void*, int, sqlite3_int64>,
    .xWrite = write,
    .xTruncate = after_flush<&Methods::xTruncate, sqlite3_int64>,
    .xSync = after_flush<&Methods::xSync, int>,
    .xFileSize = after_flush<&Methods::xFileSize, sqlite3_int64*>,
    .xLock = pass<&Methods::xLock, int>,
    .xUnlock = pass<&Methods::xUnlock, int>,
    .xCheckReservedLock = pass<&Methods::xCheckReservedLock, int*>,
    .xFileControl = pass<&Methods::xFileControl, int, void*>,
    .xSectorSize = pass<&Methods::xSectorSize>,
    .xDeviceCharacteristics = pass<&Methods::xDeviceCharacteristics>,
};

int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    sqlite3_vfs& system = system_vfs();
    if ((flags & SQLITE_OPEN_WAL) == 0) return system.xOpen(&system, path, file, flags, out_flags);
    auto* const log = new (file) LogFile;
    log->pMethods = nullptr;
    const int code = system.xOpen(&system, path, log->inner(), flags, out_flags);
    if (code == SQLITE_OK)
        log->pMethods = &methods;
    else
        std::destroy_at(log);
    return code;
}

sqlite3_vfs* make_vfs() {
    static sqlite3_vfs vfs = system_vfs();
    vfs.szOsFile += static_cast<int>(sizeof(LogFile));
    vfs.pNext = nullptr;
    vfs.zName = name;
    vfs.xOpen = open;
    sqlite3_vfs_register(&vfs, 0);
    return &vfs;
}

}  // namespace

const char* vfs_of_joined_log_writes() {
    static const sqlite3_vfs* const vfs = make_vfs();
    return vfs->zName;
}

}  // namespace tertulia::storage
