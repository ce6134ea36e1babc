// CRC-32 as gzip and AWS event streams have it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tertulia::aws {

/// What of the processor is used: only tests choose.
enum class Crc32Way : std::uint8_t {
    table,  ///< nothing: zlib's
    plain,  ///< multiplying without carry: PCLMULQDQ, every x86-64 of the last ten years; on ARM its own instruction
    wide,   ///< two such products at once: VPCLMULQDQ
};

/// The fastest that this processor has. Shared; safe from any thread.
Crc32Way best_crc32_way();

/// The CRC-32 (ISO-HDLC, polynomial 0x04c11db7) of what `crc` is the checksum of, followed by `bytes`; that of nothing
/// is 0. zlib's does 1 GB/s on messages as short as a model's, of which this would be most of the time that they cost:
/// with the processor's help it is several times as fast. Shared; safe from any thread.
std::uint32_t add_to_crc32(std::uint32_t crc, std::string_view bytes);
/// The same in a way of the caller's choice, which the processor must have.
std::uint32_t add_to_crc32(std::uint32_t crc, std::string_view bytes, Crc32Way way);

}  // namespace tertulia::aws
