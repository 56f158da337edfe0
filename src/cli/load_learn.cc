// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/process_state.h"

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

// At the end of a parallel loop, a thread of libtorch (OpenMP) spins for the others, as good as
// without end. Beside other work it thereby keeps the one it waits for from its core: measured 10
// times slower training beside two compilers. Sleeping at once costs a third on a free machine; a
// short spin costs nothing on either. OpenMP reads its wishes before main, so the program starts
// itself again with the wish stated, unless the user has stated one.
void spin_briefly() {
  for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
    if (std::getenv(name) != nullptr) return;
  }
  std::ifstream file("/proc/self/cmdline");  // each argument ends with a zero
  std::string arguments{std::istreambuf_iterator<char>(file), {}};
  std::vector<char*> argv;
  for (size_t at = 0; at < arguments.size(); at = arguments.find('\0', at) + 1) {
    argv.push_back(arguments.data() + at);
  }
  argv.push_back(nullptr);
  setenv("GOMP_SPINCOUNT", "10000", 1);
  execv("/proc/self/exe", argv.data());
  // Where it cannot be started again it goes on as it is.
}

learn::Learn& load() {
  spin_briefly();
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
  auto* entry = reinterpret_cast<learn::Learn* (*)(ProcessState&)>(dlsym(handle, "tandem_learn"));
  if (entry == nullptr)
    throw DeviceError("{} has no entry tandem_learn: it is of another version", library.string());
  return *entry(process_state());
}

}  // namespace

learn::Learn& load_learn() {
  static learn::Learn& learn = load();
  return learn;
}

}  // namespace tandem
