// What lends credentials is read without harm, whatever it says; the profile files give the same whether a line end is
// written in one way or the other.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tertulia/aws/credential_documents.h"
#include "tertulia/aws/profiles.h"

using namespace tertulia::aws;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const ProfileFile file : {ProfileFile::config, ProfileFile::credentials}) {
        Profiles profiles, with_cr;
        add_profiles(text, file, profiles);
        for (const auto& [name, profile] : profiles) {
            if (name.empty() || profile.contains("")) std::abort();
            for (const auto& [setting, value] : profile)
                if (value.find('\n') != std::string::npos) std::abort();
        }
        if (text.find('\r') == std::string::npos) {
            std::string windows;
            for (const char c : text) {
                if (c == '\n') windows += '\r';
                windows += c;
            }
            add_profiles(windows, file, with_cr);
            if (profiles != with_cr) std::abort();
        }
    }
    for (const auto& read : {parse_process_output(text), parse_lent_credentials(text), parse_sts_answer(text)})
        if (read && (read->access_key_id.empty() || read->secret_access_key.empty())) std::abort();
    (void)parse_sts_error(text);
    (void)container_url({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", text}});
    return 0;
}
