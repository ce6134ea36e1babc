// How Amazon Bedrock's Converse wants pictures and documents.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace tertulia::providers {

/// The API's word for a picture's or a document's media type ("jpeg", "docx"); empty: it takes none of these.
std::string_view bedrock_image_format(std::string_view media_type);
std::string_view bedrock_document_format(std::string_view media_type);

/// The names of one request's documents: the API takes letters, digits, single spaces, hyphens, parentheses and
/// brackets, at most 200 of them, and no name twice. The same documents in the same order get the same names. Value.
class BedrockDocumentNames {
  public:
    /// The next document's, made of what it is called; "Document 3" where that leaves nothing.
    std::string next(std::string_view wished);

  private:
    std::unordered_map<std::string, int> given_;  // with the last number put behind it
};

}  // namespace tertulia::providers
