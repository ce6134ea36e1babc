// What a process has read of its sessions, so that it need not read it again.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/dynamodb_header.h"
#include "tertulia/storage/dynamodb_message.h"

namespace tertulia::storage {

/// A session as it was after this process's last turn in it: true as long as its claim's number is still the last.
/// Value.
struct WarmSession {
    DynamoHeader header;
    /// Newest first, without events, outcomes and bills.
    std::vector<DynamoMessage> newest;
    bool more = false;
};

/// The sessions used last, up to a number of bytes. One per worker.
class DynamoCache {
  public:
    explicit DynamoCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// Takes it out.
    std::optional<WarmSession> take(const sessions::SessionKey& key);
    void put(const sessions::SessionKey& key, WarmSession session);
    void forget(const sessions::SessionKey& key) { take(key); }
    std::size_t bytes() const { return bytes_; }

  private:
    struct Entry {
        std::string name;
        WarmSession session;
        std::size_t bytes;
    };
    const std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::list<Entry> entries_;  // used last comes first
    std::map<std::string, std::list<Entry>::iterator> by_name_;
};

}  // namespace tertulia::storage
