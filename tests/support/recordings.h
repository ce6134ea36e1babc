// Real exchanges with providers, kept outside the repository: what the tests replay.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/http/message.h"

namespace tertulia::support {

/// The folder of shared test data: the environment variable TERTULIA_TEST_DATA, else `../shared/data` from the
/// project's root (where ctest runs the tests).
std::filesystem::path shared_data();

/// Is `folder` of the shared data there? The tests that need it are left out where it is not, except under CI=true,
/// where they fail: see TERTULIA_NEED_SHARED_DATA.
bool has_shared_data(std::string_view folder);
bool is_ci();

/// The first line of a test that needs the shared data.
#define TERTULIA_NEED_SHARED_DATA(folder)                                                             \
    if (!::tertulia::support::has_shared_data(folder)) {                                              \
        if (::tertulia::support::is_ci()) FAIL() << "no shared test data: " << (folder);              \
        GTEST_SKIP() << "left out: no shared test data (" << (folder) << "); see TERTULIA_TEST_DATA"; \
    }                                                                                                 \
    static_assert(true)

/// One recorded exchange. Value.
struct Recording {
    std::string name;      ///< the file's name without .json
    std::string provider;  ///< "anthropic", "openai", "azure-openai"
    std::string api;       ///< "messages", "chat", ...
    std::string request_body;
    int status = 0;
    http::Headers headers;
    std::string body;  ///< after content-encoding
};

/// All recordings of these providers and this API, by name.
std::vector<Recording> load_recordings(std::string_view provider, std::string_view api);

/// The exchanges with a llama.cpp server, by name ("02-stream-usage").
std::vector<Recording> load_llama_server();

std::string read_file(const std::filesystem::path& path);

/// RFC 4648; padding, line ends and everything else outside the alphabet is passed over.
std::string decode_base64(std::string_view text);

}  // namespace tertulia::support
