// CRC-32 as gzip and AWS event streams have it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tertulia::aws {

/// The CRC-32 (ISO-HDLC, polynomial 0x04c11db7) of what `crc` is the checksum of, followed by `bytes`; that of nothing
/// is 0. zlib's does 1 GB/s on messages as short as a model's, of which this would be most of the time that they cost:
/// where the processor multiplies without carry (PCLMULQDQ, every x86-64 of the last ten years) it is several times as
/// fast. Shared; safe from any thread.
std::uint32_t add_to_crc32(std::uint32_t crc, std::string_view bytes);

}  // namespace tertulia::aws
