// Secrets that AWS keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/aws/service_client.h"
#include "tertulia/base/error.h"
#include "tertulia/base/secret.h"

namespace tertulia::aws {

/// Where a secret is: `secret:ID` (Secrets Manager; a name or an ARN) or `parameter:NAME` (SSM's Parameter Store).
/// Value.
struct SecretReference {
    enum class Kind : std::uint8_t { secret, parameter };
    Kind kind = Kind::secret;
    std::string id;
    bool operator==(const SecretReference&) const = default;
};

/// Nothing where `text` is none of the two forms, or names nothing. Pure.
std::optional<SecretReference> parse_secret_reference(std::string_view text);
std::string to_string(const SecretReference& reference);

/// The service that has it, as endpoints and signatures name it. Pure.
std::string_view service_of(const SecretReference& reference);
/// Where it is: an ARN says so itself. Pure.
std::string region_of(const SecretReference& reference, std::string_view otherwise);

/// GetSecretValue, or GetParameter with decryption. Pure.
ServiceRequest secret_request(const SecretReference& reference);
/// From its answer. A secret may also be a JSON object (as AWS's console makes them), whose member `name` it is, else
/// `api_key`, else its only one. Errors (upstream_rejected) never repeat what was read. Pure.
base::Result<base::Secret> read_secret_answer(const SecretReference& reference, std::string_view body,
                                              std::string_view name);

}  // namespace tertulia::aws
