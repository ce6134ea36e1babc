# What every target of the project shares: warnings, sanitizers, precompiled headers.

add_library(tertulia_options INTERFACE)
target_compile_features(tertulia_options INTERFACE cxx_std_23)
target_include_directories(tertulia_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(tertulia_options INTERFACE -Wall -Wextra -Wpedantic -Werror -Wno-unused-parameter
    # Leaving members at their defaults is what designated initialisers are for.
    $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-missing-designated-field-initializers>)
# Deprecated parts of Asio are refused; io_uring costs more here than epoll (docs/performance.md).
target_compile_definitions(tertulia_options INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                           BOOST_BEAST_SEPARATE_COMPILATION)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(tertulia_options INTERFACE -O1 -fno-omit-frame-pointer -gline-tables-only)
endif()
if(TERTULIA_SANITIZE)
    target_compile_options(tertulia_options INTERFACE -fsanitize=${TERTULIA_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(tertulia_options INTERFACE -fsanitize=${TERTULIA_SANITIZE})
endif()
if(TERTULIA_FUZZ)
    target_compile_options(tertulia_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TERTULIA_LTO)
    target_compile_options(tertulia_options INTERFACE -flto=thin)
    # What a change has not touched is not compiled again by the linker, nor by the next program's.
    target_link_options(tertulia_options INTERFACE -flto=thin $<$<CXX_COMPILER_ID:Clang>:LINKER:--thinlto-cache-dir=${PROJECT_BINARY_DIR}/thinlto>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_link_options(tertulia_options INTERFACE -fuse-ld=lld)
endif()

find_program(TERTULIA_CCACHE ccache)
if(TERTULIA_CCACHE)
    # Precompiled headers and ccache get on only with these two.
    set(CMAKE_C_COMPILER_LAUNCHER ${TERTULIA_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${TERTULIA_CCACHE})
    target_compile_options(tertulia_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>)
endif()

# Two precompiled headers, each compiled once and reused by every target of its kind. The first one's library also holds
# Asio's own functions, which every file that includes the header refers to.
add_library(tertulia_pch STATIC ${PROJECT_SOURCE_DIR}/cmake/asio.cpp)
target_link_libraries(tertulia_pch PUBLIC tertulia_options fmt::fmt Threads::Threads)
target_precompile_headers(tertulia_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/empty.cpp CONTENT "")
add_library(tertulia_test_pch STATIC ${PROJECT_BINARY_DIR}/empty.cpp)
target_link_libraries(tertulia_test_pch PUBLIC tertulia_options fmt::fmt GTest::gmock GTest::gtest)
target_precompile_headers(tertulia_test_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h <gtest/gtest.h> <gmock/gmock.h>)

# tertulia_library(NAME SOURCES... LINKS ours and libraries)
function(tertulia_library name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    add_library(tertulia_${name} STATIC ${arg_SOURCES})
    target_link_libraries(tertulia_${name} PUBLIC ${arg_LINKS} tertulia_pch)
    target_precompile_headers(tertulia_${name} REUSE_FROM tertulia_pch)
endfunction()

# tertulia_test(NAME SOURCES... LINKS...): one executable of GoogleTest cases, one ctest entry.
function(tertulia_test name)
    cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LINKS} tertulia_pch GTest::gmock GTest::gtest_main)
    target_precompile_headers(${name} REUSE_FROM tertulia_test_pch)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()

# tertulia_embed(TARGET FILE ns::symbol): FILE becomes `extern const std::string_view ns::symbol` of TARGET.
function(tertulia_embed target file symbol)
    get_filename_component(input ${file} ABSOLUTE)
    get_filename_component(name ${file} NAME)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DINPUT=${input} -DOUTPUT=${output} -DNAME=${symbol} -P ${PROJECT_SOURCE_DIR}/cmake/EmbedText.cmake
        DEPENDS ${input} ${PROJECT_SOURCE_DIR}/cmake/EmbedText.cmake)
    target_sources(${target} PRIVATE ${output})
    set_source_files_properties(${output} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()
