#include "tertulia/api/content_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/base/base64.h"
#include "tertulia/base/nearest_name.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/url.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Result;
using chat::ContentBlock;

constexpr std::size_t max_blocks = 256, max_result_blocks = 64, max_media = 100;
constexpr std::size_t max_url_bytes = 4096, max_name_bytes = 200, max_call_id_bytes = 256;
constexpr std::array<std::string_view, 4> image_types{"image/png", "image/jpeg", "image/gif", "image/webp"};
constexpr std::array<std::string_view, 9> document_types{
    "application/pdf",
    "text/plain",
    "text/markdown",
    "text/csv",
    "text/html",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"};

std::unexpected<base::Error> wrong(const std::string& place, std::string_view what) {
    return base::fail(base::Errc::invalid_request, fmt::format("'{}' {}", place, what));
}

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

// An object of the request, with its place.
class Part {
  public:
    Part(const json::object& object, std::string place) : object_(object), place_(std::move(place)) {}

    std::string at(std::string_view member) const { return fmt::format("{}.{}", place_, member); }
    const std::string& place() const { return place_; }

    // Null where it is absent, or null.
    const json::value* find(std::string_view member) const {
        const json::value* value = object_.if_contains(member);
        return value && !value->is_null() ? value : nullptr;
    }
    Result<std::string_view> text(std::string_view member, std::string_view what) const {
        const json::value* value = find(member);
        if (!value || !value->is_string()) return wrong(at(member), fmt::format("must be {}.", what));
        return view(value->get_string());
    }
    Result<void> only(std::span<const std::string_view> members) const {
        for (const json::key_value_pair& given : object_) {
            const std::string_view name(given.key().data(), given.key().size());
            if (std::ranges::find(members, name) != members.end()) continue;
            const std::string_view nearest = base::nearest_name(name, members);
            return wrong(at(base::cut_utf8(name, 64)),
                         nearest.empty() ? fmt::format("is unknown; the known ones are {}.", fmt::join(members, ", "))
                                         : fmt::format("is unknown. Did you mean '{}'?", nearest));
        }
        return {};
    }

  private:
    const json::object& object_;
    std::string place_;
};

Result<Part> part_at(const json::value* value, std::string place) {
    if (!value || !value->is_object()) return wrong(place, "must be an object.");
    return Part(value->get_object(), std::move(place));
}

// -- images and documents --------------------------------------------------------------------------------------------

struct Source {
    std::string media_type;
    std::string base64;
    std::string url;
};

Result<Source> read_url(const Part& part) {
    if (auto only = part.only(std::array<std::string_view, 2>{"type", "url"}); !only)
        return std::unexpected(only.error());
    const auto url = part.text("url", "an https URL");
    if (!url) return std::unexpected(url.error());
    if (url->starts_with("http:"))
        return wrong(part.at("url"),
                     "must be an https URL: the provider fetches it from its own network, and what comes over plain "
                     "http can be changed on its way. Send the data as base64 instead.");
    if (url->size() > max_url_bytes)
        return wrong(part.at("url"), fmt::format("must not be longer than {} bytes.", max_url_bytes));
    const auto parsed = http::parse_url(*url);
    if (!parsed || !parsed->tls) return wrong(part.at("url"), "must be an https URL.");
    return Source{.media_type = {}, .base64 = {}, .url = std::string(*url)};
}

Result<Source> read_data(const Part& part, std::span<const std::string_view> types) {
    if (auto only = part.only(std::array<std::string_view, 3>{"type", "media_type", "data"}); !only)
        return std::unexpected(only.error());
    const auto media_type = part.text("media_type", "a string");
    if (!media_type) return std::unexpected(media_type.error());
    if (std::ranges::find(types, *media_type) == types.end())
        return wrong(part.at("media_type"), fmt::format("must be one of {}.", fmt::join(types, ", ")));
    const auto data = part.text("data", "a string");
    if (!data) return std::unexpected(data.error());
    if (data->empty() || !base::is_base64(*data))
        return wrong(part.at("data"), "must be base64 (RFC 4648 section 4: with padding, without line ends).");
    return Source{.media_type = std::string(*media_type), .base64 = std::string(*data), .url = {}};
}

Result<Source> read_source(const Part& block, std::span<const std::string_view> types) {
    const auto part = part_at(block.find("source"), block.at("source"));
    if (!part) return std::unexpected(part.error());
    const auto type = part->text("type", "\"base64\" or \"url\"");
    if (!type) return std::unexpected(type.error());
    if (*type == "base64") return read_data(*part, types);
    if (*type == "url") return read_url(*part);
    return wrong(part->at("type"), "must be \"base64\" or \"url\".");
}

// -- one reader per type ---------------------------------------------------------------------------------------------

Result<ContentBlock> read_text(const Part& part) {
    if (auto only = part.only(std::array<std::string_view, 2>{"type", "text"}); !only)
        return std::unexpected(only.error());
    const auto text = part.text("text", "a string");
    if (!text) return std::unexpected(text.error());
    if (chat::is_blank(*text)) return wrong(part.at("text"), "must not be blank.");
    return chat::Text{std::string(*text)};
}

Result<ContentBlock> read_image(const Part& part) {
    if (auto only = part.only(std::array<std::string_view, 2>{"type", "source"}); !only)
        return std::unexpected(only.error());
    Result<Source> source = read_source(part, image_types);
    if (!source) return std::unexpected(source.error());
    return chat::Image{.media_type = std::move(source->media_type),
                       .base64 = std::move(source->base64),
                       .url = std::move(source->url)};
}

Result<ContentBlock> read_document(const Part& part) {
    if (auto only = part.only(std::array<std::string_view, 3>{"type", "source", "name"}); !only)
        return std::unexpected(only.error());
    Result<Source> source = read_source(part, document_types);
    if (!source) return std::unexpected(source.error());
    chat::Document document{.media_type = std::move(source->media_type),
                            .base64 = std::move(source->base64),
                            .url = std::move(source->url),
                            .name = {}};
    if (part.find("name")) {
        const auto name = part.text("name", "a string");
        if (!name) return std::unexpected(name.error());
        if (chat::is_blank(*name) || name->size() > max_name_bytes)
            return wrong(part.at("name"), fmt::format("must have 1 to {} bytes and not be blank.", max_name_bytes));
        document.name = *name;
    }
    return document;
}

Result<std::vector<ContentBlock>> read_list(const json::value& value, const std::string& place, std::size_t most,
                                            bool is_result);

Result<ContentBlock> read_tool_result(const Part& part) {
    if (auto only = part.only(std::array<std::string_view, 4>{"type", "tool_use_id", "content", "is_error"}); !only)
        return std::unexpected(only.error());
    const auto id = part.text("tool_use_id", "the id of a tool call");
    if (!id) return std::unexpected(id.error());
    if (id->size() > max_call_id_bytes)
        return wrong(part.at("tool_use_id"), fmt::format("must not be longer than {} bytes.", max_call_id_bytes));
    chat::ToolResult result{.call_id = std::string(*id), .content = {}};
    if (const json::value* failed = part.find("is_error")) {
        if (!failed->is_bool()) return wrong(part.at("is_error"), "must be true or false.");
        result.is_error = failed->get_bool();
    }
    const json::value* content = part.find("content");
    if (!content) return result;
    if (content->is_string()) {
        result.content.emplace_back(chat::Text{std::string(view(content->get_string()))});
        return result;
    }
    auto blocks = read_list(*content, part.at("content"), max_result_blocks, true);
    if (!blocks) return std::unexpected(blocks.error());
    for (ContentBlock& block : *blocks) {
        if (auto* text = std::get_if<chat::Text>(&block)) result.content.emplace_back(std::move(*text));
        if (auto* image = std::get_if<chat::Image>(&block)) result.content.emplace_back(std::move(*image));
        if (auto* document = std::get_if<chat::Document>(&block)) result.content.emplace_back(std::move(*document));
    }
    return result;
}

struct Type {
    std::string_view name;
    Result<ContentBlock> (*read)(const Part&);
};

// The last one stands in no result.
constexpr std::array<Type, 4> types{
    {{"text", read_text}, {"image", read_image}, {"document", read_document}, {"tool_result", read_tool_result}}};

Result<ContentBlock> read_block(const json::value& value, std::string place, bool is_in_result) {
    const Result<Part> part = part_at(&value, std::move(place));
    if (!part) return std::unexpected(part.error());
    const std::span<const Type> known(types.data(), types.size() - (is_in_result ? 1 : 0));
    const json::value* type = part->find("type");
    const auto found =
        type && type->is_string() ? std::ranges::find(known, view(type->get_string()), &Type::name) : known.end();
    if (found == known.end())
        return wrong(part->at("type"), is_in_result ? "must be \"text\", \"image\" or \"document\"."
                                                    : "must be \"text\", \"image\", \"document\" or \"tool_result\".");
    return found->read(*part);
}

Result<std::vector<ContentBlock>> read_list(const json::value& value, const std::string& place, std::size_t most,
                                            bool is_result) {
    const json::array* list = value.if_array();
    if (!list || list->size() > most || (list->empty() && !is_result))
        return wrong(place, is_result ? fmt::format("must be a string or a list of at most {} blocks.", most)
                                      : fmt::format("must be a list of 1 to {} blocks.", most));
    std::vector<ContentBlock> blocks;
    blocks.reserve(list->size());
    for (const json::value& item : *list) {
        Result<ContentBlock> block = read_block(item, fmt::format("{}[{}]", place, blocks.size()), is_result);
        if (!block) return std::unexpected(block.error());
        blocks.push_back(*std::move(block));
    }
    return blocks;
}

struct MediaCount {
    std::size_t operator()(const chat::Image&) const { return 1; }
    std::size_t operator()(const chat::Document&) const { return 1; }
    std::size_t operator()(const chat::ToolResult& result) const { return of(result.content); }
    std::size_t operator()(const auto&) const { return 0; }

    static std::size_t of(const auto& blocks) {
        std::size_t count = 0;
        for (const auto& block : blocks) count += std::visit(MediaCount(), block);
        return count;
    }
};

}  // namespace

Result<std::vector<ContentBlock>> read_content(const json::value& value) {
    Result<std::vector<ContentBlock>> blocks = read_list(value, "content", max_blocks, false);
    if (blocks && MediaCount::of(*blocks) > max_media)
        return wrong("content", fmt::format("must hold at most {} images and documents.", max_media));
    return blocks;
}

}  // namespace tertulia::api
