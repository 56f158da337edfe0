# SPDX-License-Identifier: Apache-2.0
# What nearly every file reads is read once: the libraries of the inference half take tandem_core's precompiled headers,
# the test programs those of core_test. -fpch-preprocess lets ccache see through them. The builds with clang do without,
# and so find the file that forgets an include.
set(TANDEM_HEADERS <algorithm> <cmath> <filesystem> <fmt/format.h> <fmt/ranges.h> <functional> <map> <memory>
  <nlohmann/json.hpp> <optional> <span> <string> <string_view> <vector>)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()
function(tandem_headers target first)
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()

# Programs that read options and tests: half the time of -O3, whose work lies in templates that run once.
function(tandem_light target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O1>)
endfunction()

# tandem_module(NAME DEPS ...): one static library for one folder of src/, all its .cc files.
function(tandem_module name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  if(NOT sources)
    add_library(tandem_${name} INTERFACE)
    target_include_directories(tandem_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(tandem_${name} INTERFACE ${arg_DEPS})
    return()
  endif()
  add_library(tandem_${name} STATIC ${sources})
  target_include_directories(tandem_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(tandem_${name} PUBLIC ${arg_DEPS})
  tandem_headers(tandem_${name} tandem_core ${TANDEM_HEADERS})
endfunction()

# tandem_test(NAME DEPS ... [LABELS ...] [SHARED FILTER ...] [OWN_HEADERS]): one GoogleTest program of all *_test.cc in a folder below
# tests/. The tests run from the project's root, so that they find tests/data. SHARED names the tests that need ../shared:
# they are an entry of their own, NAME_shared, which ctest's summary lists as skipped where ../shared is not there.
function(tandem_test folder)
  cmake_parse_arguments(arg "OWN_HEADERS" "" "DEPS;LABELS;SHARED" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  string(REPLACE "/" "_" name ${folder})
  string(REPLACE "unit_" "" name ${name})
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE ${arg_DEPS} GTest::gtest GTest::gtest_main)
  tandem_light(${name}_test)
  if(NOT arg_OWN_HEADERS)
    tandem_headers(${name}_test core_test ${TANDEM_HEADERS} <fstream> <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  set(filter "")
  if(arg_SHARED)
    list(JOIN arg_SHARED ":" shared)
    set(filter "--gtest_filter=-${shared}")
    tandem_shared_test(${name}_shared LABELS ${arg_LABELS} COMMAND $<TARGET_FILE:${name}_test> "--gtest_filter=${shared}")
  endif()
  add_test(NAME ${name} COMMAND ${name}_test ${filter} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600)
endfunction()

# tandem_shared_test(NAME LABELS ... COMMAND ...): a test that is skipped where ../shared is not there.
function(tandem_shared_test name)
  cmake_parse_arguments(arg "" "" "LABELS;COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/with_shared.sh ${arg_COMMAND}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 900 SKIP_RETURN_CODE 77)
endfunction()
