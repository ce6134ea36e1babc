// What the answer readers' fuzzers share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "tertulia/base/secret.h"
#include "tertulia/base/utf8.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/models/provider.h"

namespace tertulia::fuzz {

inline void require(bool condition) {
    if (!condition) std::abort();
}

// Reads `body` with readers that `make_reader()` gives (a std::unique_ptr), whole and cut in two at `cut`.
template <class MakeReader>
void fuzz_body(const MakeReader& make_reader, std::string_view body, std::size_t cut) {
    const auto read = [&](std::size_t at) {
        const auto reader = make_reader();
        chat::AnswerEvents all, step;
        bool good = true;
        for (const std::string_view piece : {body.substr(0, at), body.substr(at)}) {
            if (!good) break;
            step.clear();
            good = reader->feed(std::string(piece), step).has_value();
            all.append(step);
        }
        if (good) {
            step.clear();
            good = reader->end(true, step).has_value();
            all.append(step);
        }
        require(good == all.finish.has_value());
        const chat::Answer answer = chat::build_answer(all, "fuzz");
        const std::string blocks = chat::blocks_to_json(answer.blocks);
        require(base::find_invalid_utf8(blocks) == std::string_view::npos);
        require(chat::blocks_from_json(blocks) == answer.blocks);
        return blocks + (good ? "+" : "-");
    };
    require(read(body.size()) == read(cut % (body.size() + 1)));
}

// The first two bytes say how: as a stream or whole, and where the body is cut.
template <class Reader>
void fuzz_reader(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return;
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::string_view content_type = data[0] % 4 == 0 ? "application/json" : "text/event-stream";
    fuzz_body([&] { return std::make_unique<Reader>(content_type, base::Secret("key")); }, body, data[1]);
}

}  // namespace tertulia::fuzz
