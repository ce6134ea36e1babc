#include "tertulia/providers/bedrock_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tertulia::providers {
namespace {

constexpr std::size_t max_name = 200;

}  // namespace

std::string_view bedrock_image_format(std::string_view media_type) {
    if (media_type == "image/png") return "png";
    if (media_type == "image/jpeg" || media_type == "image/jpg") return "jpeg";
    if (media_type == "image/gif") return "gif";
    return media_type == "image/webp" ? "webp" : "";
}

std::string_view bedrock_document_format(std::string_view media_type) {
    struct Row {
        std::string_view media_type, format;
    };
    constexpr std::array<Row, 8> table = {{
        {"application/pdf", "pdf"},
        {"text/csv", "csv"},
        {"application/msword", "doc"},
        {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
        {"application/vnd.ms-excel", "xls"},
        {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
        {"text/html", "html"},
        {"text/markdown", "md"},
    }};
    const auto row = std::ranges::find(table, media_type, &Row::media_type);
    if (row != table.end()) return row->format;
    return media_type.starts_with("text/") ? "txt" : "";
}

std::string BedrockDocumentNames::next(std::string_view wished) {
    std::string name;
    for (const char c : wished) {
        const bool is_taken = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                              c == '(' || c == ')' || c == '[' || c == ']';
        if (is_taken)
            name += c;
        else if (!name.empty() && name.back() != ' ')
            name += ' ';
    }
    name.resize(std::min(name.size(), max_name - 12));  // room for a number
    while (name.ends_with(' ')) name.pop_back();
    if (name.empty()) name = fmt::format("Document {}", given_.size() + 1);
    const auto [last, is_new] = given_.try_emplace(name, 1);
    if (is_new) return name;
    // Its own count, so that many of one name do not take the square of their number.
    for (int& number = last->second;;) {
        std::string numbered = fmt::format("{} {}", name, ++number);
        if (given_.try_emplace(numbered, 1).second) return numbered;
    }
}

}  // namespace tertulia::providers
