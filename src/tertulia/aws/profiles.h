// The files that AWS's own tools keep under ~/.aws.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tertulia/base/environment.h"

namespace tertulia::aws {

/// The settings of one profile ("region", "aws_access_key_id", ...; names in lower case). Value.
using Profile = std::map<std::string, std::string, std::less<>>;
/// By name. Value.
using Profiles = std::map<std::string, Profile, std::less<>>;

enum class ProfileFile : std::uint8_t {
    config,       ///< sections `[default]` and `[profile NAME]`; others are no profiles
    credentials,  ///< sections `[NAME]`
};

/// Adds what a file says to `into`; a setting that is there already is replaced. (AWS SDKs and Tools Reference Guide,
/// "Format of the config and credentials files".) Lines that say nothing (comments, settings of settings, what is
/// malformed) are passed over, as AWS's own readers do. Pure.
void add_profiles(std::string_view text, ProfileFile file, Profiles& into);

/// Reads `config` and `credentials`, which goes before it, from AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE or
/// `~/.aws`; a file that cannot be read, or is larger than 1 MB, holds nothing. Blocks for as long as reading two small
/// files takes.
Profiles read_profiles(const base::Environment& environment);

/// The profile that AWS_PROFILE names, or `default`.
std::string profile_name(const base::Environment& environment);

/// A setting of a profile; empty: it has none.
std::string_view setting(const Profile& profile, std::string_view name);
const Profile* find_profile(const Profiles& profiles, std::string_view name);

}  // namespace tertulia::aws
