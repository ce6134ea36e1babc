#include "tertulia/storage/packed_text.h"

#include <zlib.h>

#include <array>
#include <memory>
#include <new>

namespace tertulia::storage {
namespace {

// The first byte says which dictionary it was; this one is in tables, and never changes. What is likeliest comes last.
constexpr char first_dictionary = 1;
constexpr std::string_view dictionary =
    R"("messages_left_out":"ignored":["],"error":{"code":"upstream_unavailable","message":"title":"status":502,)"
    R"("retry_after_ms":"continues":"t_"reroutes":[{"from":"to":"reason":"kept_chars":"gpt-5-mini"bedrock/openai/)"
    R"({"conversation_length":1,"messages_sent":1,"estimated_tokens":1000,"price_version":"2026-)"
    R"(","attempts":[{"model":"anthropic/claude-","outcome":"ok","ms":1000,"tokens":100}]})";
// As zlib counts: the largest window, and no frame around the bytes.
constexpr int raw_window = -15, usual_memory = 8;

const Bytef* bytes_of(std::string_view text) {
    return reinterpret_cast<const Bytef*>(text.data());
}

struct End {
    int (*end)(z_stream*);
    void operator()(z_stream* stream) const { end(stream); }
};

}  // namespace

std::string pack_text(std::string_view text) {
    z_stream stream{};
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, raw_window, usual_memory, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc();
    const std::unique_ptr<z_stream, End> ended(&stream, End{deflateEnd});
    deflateSetDictionary(&stream, bytes_of(dictionary), static_cast<uInt>(dictionary.size()));
    std::string packed(1 + deflateBound(&stream, text.size()), first_dictionary);
    stream.next_in = const_cast<Bytef*>(bytes_of(text));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data() + 1);
    stream.avail_out = static_cast<uInt>(packed.size() - 1);
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::bad_alloc();
    packed.resize(1 + stream.total_out);
    return packed;
}

std::optional<std::string> unpack_text(std::string_view packed, std::size_t max_bytes) {
    if (packed.empty() || packed.front() != first_dictionary) return std::nullopt;
    packed.remove_prefix(1);
    z_stream stream{};
    if (inflateInit2(&stream, raw_window) != Z_OK) throw std::bad_alloc();
    const std::unique_ptr<z_stream, End> ended(&stream, End{inflateEnd});
    inflateSetDictionary(&stream, bytes_of(dictionary), static_cast<uInt>(dictionary.size()));
    stream.next_in = const_cast<Bytef*>(bytes_of(packed));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = piece.size();
        const int done = inflate(&stream, Z_NO_FLUSH);
        if (done != Z_OK && done != Z_STREAM_END) return std::nullopt;
        text.append(piece.data(), piece.size() - stream.avail_out);
        if (text.size() > max_bytes) return std::nullopt;
        if (done == Z_STREAM_END) return text;
        if (stream.avail_in == 0 && stream.avail_out != 0) return std::nullopt;  // cut off
    }
}

}  // namespace tertulia::storage
