#include "tertulia/lambda/answers.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "tertulia/base/base64.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/ascii.h"

namespace tertulia::lambda {
namespace {

constexpr std::string_view end_of_prelude("\0\0\0\0\0\0\0\0", 8);

struct Field {
    std::string name;  // in lower case
    std::vector<std::string> values;
};

std::vector<Field> fields_of(const http::Response& response) {
    std::vector<Field> fields;
    const auto add = [&fields](std::string_view name, std::string_view value) {
        std::string lower(name);
        for (char& c : lower) c = http::to_lower(c);
        for (Field& field : fields)
            if (field.name == lower) return field.values.push_back(base::valid_utf8(value));
        fields.push_back({std::move(lower), {base::valid_utf8(value)}});
    };
    if (!response.content_type.empty()) add("content-type", response.content_type);
    for (const auto& [name, value] : response.headers.fields()) add(name, value);
    return fields;
}

void append_list(std::string& out, const std::vector<std::string>& values) {
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) out += ',';
        base::append_json_string(out, values[i]);
    }
    out += ']';
}

std::string joined(const std::vector<std::string>& values) {
    std::string all = values.front();
    for (std::size_t i = 1; i < values.size(); ++i) all += ", " + values[i];
    return all;
}

// The object's beginning: `{"statusCode":200,"headers":{...}` and what else is said of the head.
std::string begin_answer(EventShape shape, const http::Response& response) {
    std::string out = fmt::format("{{\"statusCode\":{},\"headers\":{{", response.status);
    std::string several, cookies;
    for (const Field& field : fields_of(response)) {
        if (shape == EventShape::rest && field.values.size() > 1) {
            several += several.empty() ? "" : ",";
            base::append_json_string(several, field.name);
            several += ':';
            append_list(several, field.values);
        } else if (shape != EventShape::rest && field.name == "set-cookie") {
            append_list(cookies, field.values);
        } else {
            if (out.back() != '{') out += ',';
            base::append_json_string(out, field.name);
            out += ':';
            base::append_json_string(out, joined(field.values));
        }
    }
    out += '}';
    if (!several.empty()) out += ",\"multiValueHeaders\":{" + several + "}";
    if (!cookies.empty()) out += ",\"cookies\":" + cookies;
    return out;
}

}  // namespace

std::string answer_json(EventShape shape, const http::Response& response) {
    std::string out = begin_answer(shape, response);
    const bool is_text = base::find_invalid_utf8(response.body) == std::string_view::npos;
    out += ",\"body\":";
    if (is_text)
        base::append_json_string(out, response.body);
    else
        out += "\"" + base::encode_base64(response.body) + "\"";
    out += is_text ? ",\"isBase64Encoded\":false}" : ",\"isBase64Encoded\":true}";
    return out;
}

std::string answer_prelude(EventShape shape, const http::Response& response) {
    std::string out = begin_answer(shape, response);
    out += '}';
    out += end_of_prelude;
    return out;
}

}  // namespace tertulia::lambda
