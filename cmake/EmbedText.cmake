# cmake -DINPUT=file -DOUTPUT=file.cpp -DNAME=ns::symbol -P EmbedText.cmake: a text file as a C++ string_view.
file(READ ${INPUT} text HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${text}")
string(REGEX MATCH "^(.*)::([^:]+)$" _ "${NAME}")
file(WRITE ${OUTPUT} "#include <string_view>
namespace ${CMAKE_MATCH_1} {
static const unsigned char bytes_of_${CMAKE_MATCH_2}[] = {${bytes}0};
extern const std::string_view ${CMAKE_MATCH_2};
const std::string_view ${CMAKE_MATCH_2}(reinterpret_cast<const char*>(bytes_of_${CMAKE_MATCH_2}), sizeof(bytes_of_${CMAKE_MATCH_2}) - 1);
}
")
