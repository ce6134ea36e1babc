# How the program for Lambda finds its libraries: only static ones, and two that Debian has no archive of.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
set(Boost_USE_STATIC_LIBS ON)
set(OPENSSL_USE_STATIC_LIBS ON)

add_library(tertulia_fmt INTERFACE)
target_compile_definitions(tertulia_fmt INTERFACE FMT_HEADER_ONLY=1)
add_library(fmt::fmt ALIAS tertulia_fmt)

# From Debian's source package. It looks at the processor when it first parses, and takes the code that suits it.
set(simdjson ${PROJECT_SOURCE_DIR}/build/sysroot/simdjson/singleheader)
add_library(tertulia_simdjson STATIC ${simdjson}/simdjson.cpp)
target_include_directories(tertulia_simdjson SYSTEM PUBLIC ${simdjson})
target_compile_features(tertulia_simdjson PUBLIC cxx_std_17)
add_library(PkgConfig::SIMDJSON ALIAS tertulia_simdjson)
