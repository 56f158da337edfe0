# SPDX-License-Identifier: Apache-2.0
# Version and commit, compiled into one file. Configuring again after each commit keeps the commit true.
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/core/version.cc PROPERTIES
  COMPILE_DEFINITIONS "TANDEM_VERSION=\"${PROJECT_VERSION}\";TANDEM_COMMIT=\"${commit}\"")
