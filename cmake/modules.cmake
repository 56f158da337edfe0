# SPDX-License-Identifier: Apache-2.0
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
endfunction()

# tandem_test(NAME DEPS ... [LABELS ...] [SHARED FILTER ...]): one GoogleTest program of all *_test.cc in a folder below
# tests/. The tests run from the project's root, so that they find tests/data. SHARED names the tests that need ../shared:
# they are an entry of their own, NAME_shared, which ctest's summary lists as skipped where ../shared is not there.
function(tandem_test folder)
  cmake_parse_arguments(arg "" "" "DEPS;LABELS;SHARED" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  string(REPLACE "/" "_" name ${folder})
  string(REPLACE "unit_" "" name ${name})
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE ${arg_DEPS} GTest::gtest GTest::gtest_main)
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
