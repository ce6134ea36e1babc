#include "tertulia/base/secret.h"

namespace tertulia::base {

std::string redact(std::string text, const Secret& secret) {
    if (secret.empty()) return text;
    for (std::size_t at = 0; (at = text.find(secret.reveal(), at)) != std::string::npos;)
        text.replace(at, secret.reveal().size(), "***");
    return text;
}

}  // namespace tertulia::base
