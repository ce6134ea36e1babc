// Randomness as an argument, and the ids made of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tertulia::base {

/// Where random bytes come from. Shared; safe from any thread.
class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<unsigned char> bytes) = 0;
};

/// The kernel's generator (getrandom(2)), read ahead per thread.
Random& system_random();

/// A UUID of version 4 (RFC 9562), in lower case with hyphens: a session's id where the client brings none.
std::string make_uuid(Random& random);

/// 22 characters of `A-Za-z0-9` (128 random bits and more), with a one-letter prefix and `_` that says what it names:
/// `t_...` for a turn, `r_...` for a request.
std::string make_id(char prefix, Random& random);

/// The same, but the first 9 of the 22 characters tell the time: later ids are greater, as strings, and the other 13
/// are random (77 bits). An index over such ids grows at its end.
std::string make_ordered_id(char prefix, std::int64_t wall_us, Random& random);

/// Is this an id that a client may bring: 1 to 128 characters of `A-Za-z0-9._:-`, not `.` or `..`?
bool is_session_id(std::string_view text);

}  // namespace tertulia::base
