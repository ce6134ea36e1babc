// Credentials as the places that lend them write them down.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tertulia/aws/credentials.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"
#include "tertulia/http/url.h"

namespace tertulia::aws {

/// What a `credential_process` prints: `{"Version": 1, "AccessKeyId", "SecretAccessKey", "SessionToken",
/// "Expiration"}`. Errors (unauthenticated) never repeat the document. Pure, as all of this file.
base::Result<Credentials> parse_process_output(std::string_view json);

/// The answer of a container's endpoint and of the instance metadata service: the same with `Token` for the session's
/// token. An error document's code and message are quoted.
base::Result<Credentials> parse_lent_credentials(std::string_view json);

/// The answer of STS to AssumeRole and AssumeRoleWithWebIdentity. Our own reading of four elements of a document that
/// AWS writes without attributes, comments or CDATA: a library of XML would be most of what it takes to sign in. What
/// looks different is refused.
base::Result<Credentials> parse_sts_answer(std::string_view xml);
/// `Code: Message` of an error answer of STS; empty where it is none.
std::string parse_sts_error(std::string_view xml);

/// Where a container's credentials are, as AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI say; nothing: neither is
/// set. An http address that is not the machine itself or a container agent's is refused (forbidden): what is sent
/// there could be read on the way.
base::Result<std::optional<http::Url>> container_url(const base::Environment& environment);

}  // namespace tertulia::aws
