#include "tertulia/app/provider_keys.h"

#include <fmt/format.h>

#include <utility>

#include "tertulia/aws/profiles.h"
#include "tertulia/aws/region.h"
#include "tertulia/aws/service_client.h"

namespace tertulia::app {

std::string key_member(std::string_view provider) {
    if (provider == "openai-responses") provider = "openai";
    std::string member;
    for (const char c : provider) {
        const bool is_small = c >= 'a' && c <= 'z';
        const bool is_kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        member += is_small ? static_cast<char>(c - 'a' + 'A') : is_kept ? c : '_';
    }
    return member + "_API_KEY";
}

aws::SharedSecret::Fetch fetch_key(KeySource source, aws::SecretReference reference, std::string member) {
    return [=](std::stop_token stop, base::Deadline deadline) -> async::Task<base::Result<base::Secret>> {
        const std::string region =
            aws::region_of(reference, aws::find_region(source.environment, aws::read_profiles(source.environment)));
        auto config = aws::service_config(source.environment, aws::service_of(reference), region);
        if (!config) co_return std::unexpected(config.error());
        aws::ServiceClient client(source.client, source.credentials, source.clock, source.random, *std::move(config));
        const aws::ServiceResult answer =
            co_await client.send(aws::secret_request(reference), std::move(stop), deadline);
        if (!answer) {
            base::Error error = aws::to_error(answer.error(), aws::service_of(reference));
            error.message = fmt::format("{} cannot be read: {}", aws::to_string(reference), error.message);
            co_return std::unexpected(std::move(error));
        }
        co_return aws::read_secret_answer(reference, answer->body, member);
    };
}

}  // namespace tertulia::app
