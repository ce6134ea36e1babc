#include "tertulia/aws/region.h"

#include <fmt/format.h>

#include <algorithm>

namespace tertulia::aws {

std::string find_region(const base::Environment& environment, const Profiles& profiles) {
    for (const std::string_view name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
        if (const std::string_view region = base::variable(environment, name); !region.empty())
            return std::string(region);
    if (const Profile* profile = find_profile(profiles, profile_name(environment)))
        if (const std::string_view region = setting(*profile, "region"); !region.empty()) return std::string(region);
    return "us-east-1";
}

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
        return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    });
}

std::string service_url(const base::Environment& environment, std::string_view service, std::string_view region) {
    std::string own = "AWS_ENDPOINT_URL_";
    for (const char c : service) own += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    for (const std::string_view name : {std::string_view(own), std::string_view("AWS_ENDPOINT_URL")})
        if (const std::string_view url = base::variable(environment, name); !url.empty()) return std::string(url);
    return fmt::format("https://{}.{}.{}", service, region,
                       region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com");
}

}  // namespace tertulia::aws
