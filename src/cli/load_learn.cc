// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"

namespace tandem {
namespace {

constexpr const char* kLibrary = "libtandem_learn.so";

// A libtorch named by TANDEM_LIBTORCH is loaded first: the learn library then finds its own needs
// met by name and does not search the folder it was built with.
void load_named_libtorch() {
  const char* folder = std::getenv("TANDEM_LIBTORCH");
  if (folder == nullptr || *folder == '\0') return;
  for (const char* name : {"libc10.so", "libtorch_cpu.so"}) {
    const fs::path library = fs::path(folder) / "lib" / name;
    if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      throw DeviceError("TANDEM_LIBTORCH is '{}', but its lib/{} cannot be loaded: {}", folder,
                        name, dlerror());
    }
  }
}

Learn& load() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path library = program.parent_path() / kLibrary;
  if (error || !fs::exists(library)) {
    throw DeviceError(
        "{} is not beside the program ({}): this build has no training half. Build it with "
        "./run build, or configure with -DTANDEM_LEARN=ON",
        kLibrary, program.parent_path().string());
  }
  load_named_libtorch();
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw DeviceError(
        "{} cannot be loaded: {}. Training needs libtorch 2.11 or newer: set TANDEM_LIBTORCH to "
        "its "
        "folder, or run ./run build, which fetches it",
        library.string(), dlerror());
  }
  auto* entry = reinterpret_cast<Learn* (*)()>(dlsym(handle, "tandem_learn"));
  if (entry == nullptr)
    throw DeviceError("{} has no entry tandem_learn: it is of another version", library.string());
  return *entry();
}

}  // namespace

Learn& load_learn() {
  static Learn& learn = load();
  return learn;
}

}  // namespace tandem
