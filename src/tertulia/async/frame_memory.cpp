#include "tertulia/async/frame_memory.h"

#include <array>
#include <new>

namespace tertulia::async {
namespace {

constexpr std::size_t step = 32, largest = 2048;
constexpr std::size_t most_kept = 32 * 1024;  // bytes of each size

#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps = false;  // so that a frame that is used after its end is seen
#elif defined(__has_feature)
constexpr bool keeps = !__has_feature(address_sanitizer);
#else
constexpr bool keeps = true;
#endif

struct Kept {
    Kept* next = nullptr;
};

// The frames that a thread keeps. Its lists outlive its destructor (they need none), so that a frame may be freed late.
struct Lists {
    struct List {
        Kept* first;
        std::size_t bytes;
    };
    std::array<List, largest / step + 1> of_size;
    bool closed;
};
constinit thread_local Lists lists{};

struct CloseLists {
    ~CloseLists() {
        lists.closed = true;
        for (Lists::List& list : lists.of_size)
            while (Kept* frame = list.first) {
                list.first = frame->next;
                ::operator delete(frame);
            }
    }
};

std::size_t size_class(std::size_t size) {
    return (size + step - 1) / step;
}

}  // namespace

void* allocate_frame(std::size_t size) {
    if (!keeps || size > largest) return ::operator new(size);
    const std::size_t number = size_class(size);
    Lists::List& list = lists.of_size[number];
    if (!list.first) return ::operator new(number * step);
    Kept* frame = list.first;
    list.first = frame->next;
    list.bytes -= number * step;
    return frame;
}

void free_frame(void* frame, std::size_t size) noexcept {
    const std::size_t number = size_class(size);
    if (!keeps || size > largest || lists.closed || lists.of_size[number].bytes >= most_kept) {
        ::operator delete(frame);
        return;
    }
    thread_local const CloseLists at_the_threads_end;
    Lists::List& list = lists.of_size[number];
    list.first = new (frame) Kept{list.first};
    list.bytes += number * step;
}

}  // namespace tertulia::async
