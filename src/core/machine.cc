// SPDX-License-Identifier: Apache-2.0
#include "core/machine.h"

#include <cpuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "core/thread_pool.h"

namespace tandem {
namespace {

std::string widest_instruction_set() {
  __builtin_cpu_init();
  unsigned int a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & (1u << 24))) return "amx";
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5)) &&
      __builtin_cpu_supports("avx512bw"))
    return "avx512_bf16";
  if (__builtin_cpu_supports("avx512bw")) return "avx512";
  return "avx2";
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Machine describe_machine() {
  return {.cpu_name = cpu_name(),
          .instruction_set = widest_instruction_set(),
          .processors = available_processors(),
          .memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE)};
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace tandem
