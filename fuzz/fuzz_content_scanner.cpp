// The scanner finds the same in the same bytes, whole and cut, and of a valid object what the JSON parser finds.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tertulia/api/content_scanner.h"
#include "tertulia/base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 16 + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    tertulia::api::ContentScanner whole, cut;
    whole.feed(bytes);
    for (std::size_t at = 0; at < bytes.size(); at += step) cut.feed(bytes.substr(at, step));
    if (whole.found() != cut.found()) std::abort();
    // A name that is written with escapes is the one thing that they may see differently.
    if (bytes.find('\\') != std::string_view::npos) return 0;
    const auto parsed = tertulia::base::parse_json(bytes);
    if (parsed && whole.found() != (parsed->is_object() && parsed->get_object().contains("content"))) std::abort();
    return 0;
}
