// One value of the configuration, set from a text or a number.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/app/config_keys.h"
#include "tertulia/app/config_loader.h"
#include "tertulia/base/error.h"

namespace tertulia::app {

/// Sets a key of `owner` from a text (environment, command line), checked. `source` is for the error's message.
template <class Owner>
base::Result<void> set_from_text(const Key<Owner>& key, Owner& owner, std::string_view text, std::string_view source,
                                 const Environment& environment);

/// What a value of a configuration file is, without the parser's types.
using FileValue = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>>;

/// The same from the file, where a value has a type. `where` goes before the key in messages ("providers.a.").
template <class Owner>
base::Result<void> set_from_file(const Key<Owner>& key, Owner& owner, const FileValue& value, std::string_view where,
                                 std::string_view source, const Environment& environment);

/// "env:NAME", "file:PATH" (its first line) or the secret itself.
base::Result<base::Secret> read_secret(std::string_view text, const Environment& environment);

/// Without the blanks and line ends at its end: what made a secret out of a file's line often left them there, and none
/// ends so. Pure.
std::string_view without_line_end(std::string_view secret);

/// Does the secret itself stand in `text`?
bool is_bare_secret(std::string_view text);

}  // namespace tertulia::app
