# The toolchain of `./dev lambda`: clang for Linux on TERTULIA_LAMBDA_ARCHITECTURE (x86_64 or arm64), against the Debian packages that
# tools/dev/sysroot.sh has unpacked into build/sysroot. What it links is static: AWS's systems have an older C library than Debian.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TERTULIA_LAMBDA_ARCHITECTURE)
set(CMAKE_SYSTEM_NAME Linux)
if(TERTULIA_LAMBDA_ARCHITECTURE STREQUAL "arm64")
    set(CMAKE_SYSTEM_PROCESSOR aarch64)
    set(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/arm64)
    set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
else()
    set(CMAKE_SYSTEM_PROCESSOR x86_64)
    set(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/amd64)
endif()
cmake_path(NORMAL_PATH CMAKE_SYSROOT)
set(triple ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)

foreach(language C CXX)
    set(CMAKE_${language}_COMPILER_TARGET ${triple})
    # Not the GCC of this machine, but its library in the sysroot.
    set(CMAKE_${language}_COMPILER_EXTERNAL_TOOLCHAIN ${CMAKE_SYSROOT}/usr)
    # Without relocations a process starts a third sooner. Each function may be left out, or shared with its like.
    set(CMAKE_${language}_FLAGS_INIT "-fno-pie -ffunction-sections -fdata-sections")
endforeach()
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -fuse-ld=lld -Wl,--gc-sections,--icf=all,--build-id=none")

set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/${triple}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
