#include "tertulia/http/message.h"

#include "tertulia/http/ascii.h"
#include "tertulia/http/percent.h"

namespace tertulia::http {

const std::string* Headers::find(std::string_view name) const {
    for (const auto& [field, value] : fields_)
        if (equal_ignoring_case(field, name)) return &value;
    return nullptr;
}

std::string_view Request::parameter(std::string_view name) const {
    for (const auto& [key, value] : path_parameters)
        if (key == name) return value;
    return {};
}

std::optional<std::string> Request::query(std::string_view name) const {
    const std::size_t mark = target.find('?');
    if (mark == std::string::npos) return {};
    std::string_view rest = std::string_view(target).substr(mark + 1);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        const std::string_view pair = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (percent_decode(pair.substr(0, equals), true) != name) continue;
        const std::string_view value = equals < pair.size() ? pair.substr(equals + 1) : std::string_view();
        // What cannot be decoded is handed on as it is: the handler says what is wrong with it.
        return percent_decode(value, true).value_or(std::string(value));
    }
    return {};
}

bool is_media_type(std::string_view content_type, std::string_view type) {
    return equal_ignoring_case(trim(content_type.substr(0, content_type.find(';'))), type);
}

}  // namespace tertulia::http
