# SPDX-License-Identifier: Apache-2.0
# Warnings, baseline instruction set, sanitizers, compiler cache and linker.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_compile_options(-Wall -Wextra -Wconversion -Wno-sign-conversion -Werror)
# One build runs on any x86-64 with AVX2; wider instruction sets are chosen at run time.
add_compile_options(-march=x86-64-v3 -fno-omit-frame-pointer)
# A product and a sum may fuse in one kernel and not in its twin; results must not depend on that.
add_compile_options(-ffp-contract=off)

if(TANDEM_DCHECKS)
  add_compile_definitions(TANDEM_DCHECKS)
endif()
if(TANDEM_SANITIZE)
  add_compile_options(-fsanitize=${TANDEM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TANDEM_SANITIZE})
endif()

if(TANDEM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of the libraries too, without libFuzzer's main
endif()

find_program(TANDEM_CCACHE ccache)
if(TANDEM_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${TANDEM_CCACHE})
endif()
find_program(TANDEM_LLD ld.lld)
if(TANDEM_LLD)
  add_link_options(-fuse-ld=lld)
endif()
