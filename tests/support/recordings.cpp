#include "support/recordings.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace tertulia::support {
namespace {

namespace json = boost::json;

std::string gunzip(const std::string& bytes) {
    z_stream stream{};
    if (inflateInit2(&stream, 15 + 32) != Z_OK) throw std::runtime_error("inflateInit2");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    std::string out;
    std::array<char, 16 * 1024> part;
    int status = Z_OK;
    while (status == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(part.data());
        stream.avail_out = part.size();
        status = inflate(&stream, Z_NO_FLUSH);
        out.append(part.data(), part.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END) throw std::runtime_error("a recording's gzip body is broken");
    return out;
}

std::string text_or_empty(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Recording to_recording(const json::object& file) {
    Recording recording{.name = text_or_empty(file, "name"),
                        .provider = text_or_empty(file, "provider"),
                        .api = text_or_empty(file, "api")};
    if (const json::value* body = file.at("request").as_object().if_contains("body"))
        recording.request_body = body->is_string() ? std::string(body->get_string()) : json::serialize(*body);
    const json::object& response = file.at("response").as_object();
    recording.status = response.at("status").to_number<int>();
    for (const auto& [name, value] : response.at("headers").as_object())
        if (value.is_string()) recording.headers.add(std::string(name), std::string(value.get_string()));
    recording.body = decode_base64(response.at("body_base64").as_string());
    // Some recorders decoded the body and left the header: only real gzip bytes count.
    if (recording.body.starts_with("\x1f\x8b")) recording.body = gunzip(recording.body);
    return recording;
}

Recording to_llama_recording(const std::filesystem::path& folder) {
    Recording recording{.name = folder.filename(), .provider = "llama-server", .api = "chat"};
    if (std::filesystem::exists(folder / "request.json")) recording.request_body = read_file(folder / "request.json");
    recording.body = read_file(folder / "response.body");
    std::istringstream head(read_file(folder / "response.headers"));
    std::string line;
    while (std::getline(head, line)) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
        if (line.starts_with("HTTP/1.1 ")) recording.status = std::stoi(line.substr(9));
        if (const std::size_t colon = line.find(": "); colon != std::string::npos)
            recording.headers.add(line.substr(0, colon), line.substr(colon + 2));
    }
    return recording;
}

std::vector<std::filesystem::path> entries(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace

std::string decode_base64(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos) continue;  // padding and line ends
        bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffffff;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    return out;
}

std::filesystem::path shared_data() {
    const char* given = std::getenv("TERTULIA_TEST_DATA");
    return given && *given ? given : "../shared/data";
}

bool has_shared_data(std::string_view folder) {
    return std::filesystem::is_directory(shared_data() / folder);
}

bool is_ci() {
    const char* given = std::getenv("CI");
    return given && std::string_view(given) == "true";
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Recording> load_recordings(std::string_view provider, std::string_view api) {
    std::vector<Recording> recordings;
    for (const std::filesystem::path& path : entries(shared_data() / "recordings")) {
        if (path.extension() != ".json") continue;
        const json::object file = json::parse(read_file(path)).as_object();
        if (text_or_empty(file, "provider") == provider && text_or_empty(file, "api") == api)
            recordings.push_back(to_recording(file));
    }
    return recordings;
}

std::vector<Recording> load_llama_server() {
    std::vector<Recording> recordings;
    for (const std::filesystem::path& path : entries(shared_data() / "llama-server"))
        if (std::filesystem::exists(path / "response.body")) recordings.push_back(to_llama_recording(path));
    return recordings;
}

}  // namespace tertulia::support
