#include "tertulia/http/inflate.h"

#include <zlib.h>

#include <array>

namespace tertulia::http {

struct Inflater::Stream {
    enum class State { sniffing, plain, inflating, between_members, ended };

    z_stream z{};
    State state = State::sniffing;
    bool open = false;
    bool gzip = false;
    std::string first;  // until the kind is known

    ~Stream() {
        if (open) inflateEnd(&z);
    }

    bool begin() {
        const auto a = static_cast<unsigned char>(first[0]), b = static_cast<unsigned char>(first[1]);
        gzip = a == 0x1f && b == 0x8b;
        const bool zlib = (a & 0x0f) == 8 && (a >> 4) <= 7 && ((a << 8) | b) % 31 == 0;
        state = gzip || zlib ? State::inflating : State::plain;
        if (state == State::inflating) open = inflateInit2(&z, gzip ? 15 + 16 : 15) == Z_OK;
        return open || state == State::plain;
    }

    // False: damaged.
    bool inflate_some(std::string_view& in, std::string& out, std::size_t max_out) {
        std::array<char, 16 * 1024> buffer;
        const std::size_t limit = out.size() + max_out;
        // Zlib may hold decoded bytes back when the buffer was full, even with all of the input taken.
        for (bool more = true; (more || !in.empty()) && state == State::inflating && out.size() < limit;) {
            z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
            z.avail_in = static_cast<uInt>(in.size());
            z.next_out = reinterpret_cast<Bytef*>(buffer.data());
            z.avail_out = buffer.size();
            const int result = ::inflate(&z, Z_NO_FLUSH);
            in.remove_prefix(in.size() - z.avail_in);
            out.append(buffer.data(), buffer.size() - z.avail_out);
            more = z.avail_out == 0;
            if (result == Z_STREAM_END)
                state = gzip ? State::between_members : State::ended;
            else if (result == Z_BUF_ERROR)
                return true;  // nothing to do without more input
            else if (result != Z_OK)
                return false;
        }
        return true;
    }
};

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

base::Result<void> Inflater::feed(std::string_view& in, std::string& out, std::size_t max_out) {
    Stream& stream = *stream_;
    const auto damaged = [] {
        return base::fail(base::Errc::upstream_unavailable,
                          "The other server's answer is damaged: it cannot be inflated.");
    };
    if (stream.state == Stream::State::sniffing) {
        const std::size_t take = std::min(in.size(), 2 - stream.first.size());
        stream.first += in.substr(0, take);
        in.remove_prefix(take);
        if (stream.first.size() < 2) return {};
        if (!stream.begin()) return damaged();
        std::string_view first = stream.first;
        if (stream.state == Stream::State::plain)
            out += first;
        else if (!stream.inflate_some(first, out, max_out))
            return damaged();
    }
    for (const std::size_t limit = out.size() + max_out; !in.empty() && out.size() < limit;) {
        switch (stream.state) {
            case Stream::State::sniffing:
                return {};
            case Stream::State::plain:
                out += in;
                in = {};
                break;
            case Stream::State::inflating:
                if (!stream.inflate_some(in, out, limit - out.size())) return damaged();
                break;
            case Stream::State::between_members:
                // Another gzip member may follow (RFC 1952 2.2); anything else after the end is padding.
                stream.state = in.front() == '\x1f' ? Stream::State::inflating : Stream::State::ended;
                if (stream.state == Stream::State::inflating) inflateReset(&stream.z);
                break;
            case Stream::State::ended:
                in = {};
                break;
        }
    }
    return {};
}

base::Result<void> Inflater::end(std::string& out) {
    Stream& stream = *stream_;
    if (stream.state == Stream::State::sniffing) out += stream.first;
    if (stream.state == Stream::State::inflating) {
        std::string_view nothing;
        if (!stream.inflate_some(nothing, out, std::string::npos - out.size()) ||
            stream.state == Stream::State::inflating)
            return base::fail(base::Errc::upstream_unavailable, "The other server's answer was cut short.");
    }
    return {};
}

}  // namespace tertulia::http
