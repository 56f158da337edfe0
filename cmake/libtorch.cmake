# SPDX-License-Identifier: Apache-2.0
# libtorch as two imported targets, torch::c10 and torch::cpu. find_package(Torch) would demand a CUDA toolkit.
# TANDEM_LIBTORCH names any libtorch folder (or site-packages/torch); `./run` passes the one it unpacked.
set(TANDEM_LIBTORCH "$ENV{TANDEM_LIBTORCH}" CACHE PATH "A libtorch folder with include/ and lib/")
if(NOT EXISTS ${TANDEM_LIBTORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "TANDEM_LIBTORCH is '${TANDEM_LIBTORCH}', which has no lib/libtorch_cpu.so. "
    "Run ./run build, which fetches libtorch, or configure with -DTANDEM_LEARN=OFF.")
endif()

# The wheel's include folder also carries other versions of fmt and oneDNN, which clash with Debian's: link
# the four folders that are libtorch's own into a folder of ours.
set(torch_include ${PROJECT_BINARY_DIR}/libtorch-include)
file(MAKE_DIRECTORY ${torch_include})
foreach(folder ATen c10 torch caffe2)
  if(EXISTS ${TANDEM_LIBTORCH}/include/${folder} AND NOT EXISTS ${torch_include}/${folder})
    file(CREATE_LINK ${TANDEM_LIBTORCH}/include/${folder} ${torch_include}/${folder} SYMBOLIC)
  endif()
endforeach()

foreach(name c10 torch_cpu)
  string(REPLACE "torch_" "" target ${name})
  add_library(torch::${target} SHARED IMPORTED)
  set_target_properties(torch::${target} PROPERTIES
    IMPORTED_LOCATION ${TANDEM_LIBTORCH}/lib/lib${name}.so
    INTERFACE_INCLUDE_DIRECTORIES "${torch_include};${torch_include}/torch/csrc/api/include")
endforeach()
target_link_libraries(torch::cpu INTERFACE torch::c10)
# What libtorch_cpu.so itself needs is found through its own RPATH.
target_link_options(torch::cpu INTERFACE -Wl,--allow-shlib-undefined)

# The C interface only; the C++ bindings are gone from the standard.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI COMPONENTS CXX)
