// A limit for what many hold together.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace tertulia::base {

/// Counts bytes of memory up to a limit. Shared; safe from any thread.
class MemoryCeiling {
  public:
    explicit MemoryCeiling(std::size_t limit) : limit_(limit) {}

    /// False: there is not so much left, and nothing is taken.
    bool take(std::size_t bytes) {
        std::size_t used = used_.load(std::memory_order_relaxed);
        do
            if (bytes > limit_ - used) return false;
        while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

    std::size_t used() const { return used_.load(std::memory_order_relaxed); }
    std::size_t limit() const { return limit_; }

  private:
    const std::size_t limit_;
    std::atomic<std::size_t> used_ = 0;
};

/// What one holder has taken; given back with it. Value.
class MemoryShare {
  public:
    explicit MemoryShare(std::shared_ptr<MemoryCeiling> ceiling) : ceiling_(std::move(ceiling)) {}
    ~MemoryShare() { ceiling_->give_back(bytes_); }
    MemoryShare(const MemoryShare&) = delete;

    bool grow(std::size_t bytes) {
        if (!ceiling_->take(bytes)) return false;
        bytes_ += bytes;
        return true;
    }
    std::size_t bytes() const { return bytes_; }

  private:
    std::shared_ptr<MemoryCeiling> ceiling_;
    std::size_t bytes_ = 0;
};

}  // namespace tertulia::base
