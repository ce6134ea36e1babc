// The write-ahead log, written a commit at a time.
#pragma once

namespace tertulia::storage {

/// The name of a VFS (https://sqlite.org/vfs.html) that is SQLite's own but for one thing: what is written to a
/// write-ahead log waits in memory until the log is synced, read, measured or cut, and what follows on each other then
/// leaves in one call. SQLite itself makes two calls a page, which was a tenth of a durable turn's time.
///
/// Nothing is less durable by it: a commit counts, and other connections learn of its pages, only after the sync, and a
/// write that fails then fails the sync, and with it the commit. For connections with `synchronous = FULL`.
/// Registered at the first call. Shared; safe from any thread.
const char* vfs_of_joined_log_writes();

}  // namespace tertulia::storage
