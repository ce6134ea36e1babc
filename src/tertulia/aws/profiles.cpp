#include "tertulia/aws/profiles.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "tertulia/http/ascii.h"

namespace tertulia::aws {
namespace {

constexpr std::size_t max_file = std::size_t(1) << 20;

// A comment may follow a value, after white space.
std::string_view without_comment(std::string_view line) {
    for (std::size_t i = 1; i < line.size(); ++i)
        if ((line[i] == '#' || line[i] == ';') && (line[i - 1] == ' ' || line[i - 1] == '\t')) return line.substr(0, i);
    return line;
}

std::string_view unquoted(std::string_view text) {
    if (text.size() >= 2 && text.front() == text.back() && (text.front() == '"' || text.front() == '\''))
        return text.substr(1, text.size() - 2);
    return text;
}

// Of the line `[...]`; nothing where the section is no profile.
std::optional<std::string> section_name(std::string_view line, ProfileFile file) {
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos) return {};
    std::string_view name = http::trim(line.substr(1, end - 1));
    if (file == ProfileFile::config && name != "default") {
        constexpr std::string_view prefix = "profile";
        if (!name.starts_with(prefix) || name.size() == prefix.size()) return {};
        name.remove_prefix(prefix.size());
        if (name.front() != ' ' && name.front() != '\t') return {};
        name = unquoted(http::trim(name));
    }
    if (name.empty()) return {};
    return std::string(name);
}

// Empty where there is none, or one that is no small file.
std::string read_small_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return {};
    std::string text(max_file + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text.size() > max_file ? std::string() : text;
}

std::string file_path(const base::Environment& environment, std::string_view variable, std::string_view otherwise) {
    std::string path(base::variable(environment, variable));
    if (path.empty()) path = otherwise;
    if (!path.starts_with("~/")) return path;
    const std::string_view home = base::variable(environment, "HOME");
    return home.empty() ? std::string() : path.replace(0, 1, home);
}

}  // namespace

void add_profiles(std::string_view text, ProfileFile file, Profiles& into) {
    Profile* profile = nullptr;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        // An indented line belongs to the setting before it.
        if (line.empty() || line.front() == ' ' || line.front() == '\t' || line.front() == '#' || line.front() == ';')
            continue;
        if (line.front() == '[') {
            const std::optional<std::string> name = section_name(line, file);
            profile = name ? &into[*name] : nullptr;
            continue;
        }
        line = without_comment(line);
        const std::size_t equals = line.find('=');
        if (!profile || equals == std::string_view::npos) continue;
        std::string name(http::trim(line.substr(0, equals)));
        for (char& c : name) c = http::to_lower(c);
        if (!name.empty()) profile->insert_or_assign(std::move(name), std::string(http::trim(line.substr(equals + 1))));
    }
}

Profiles read_profiles(const base::Environment& environment) {
    Profiles profiles;
    add_profiles(read_small_file(file_path(environment, "AWS_CONFIG_FILE", "~/.aws/config")), ProfileFile::config,
                 profiles);
    add_profiles(read_small_file(file_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")),
                 ProfileFile::credentials, profiles);
    return profiles;
}

std::string profile_name(const base::Environment& environment) {
    const std::string_view name = base::variable(environment, "AWS_PROFILE");
    return name.empty() ? "default" : std::string(name);
}

std::string_view setting(const Profile& profile, std::string_view name) {
    const auto found = profile.find(name);
    return found == profile.end() ? std::string_view{} : std::string_view(found->second);
}

const Profile* find_profile(const Profiles& profiles, std::string_view name) {
    const auto found = profiles.find(name);
    return found == profiles.end() ? nullptr : &found->second;
}

}  // namespace tertulia::aws
