// SPDX-License-Identifier: Apache-2.0
#include "core/machine.h"

#include <cpuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

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

// The number after `key` in a file of lines "KEY NUMBER ..."; nothing when it is not there.
std::optional<int64_t> number_in(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    std::istringstream words(line.substr(key.size()));
    int64_t number = 0;
    if (words >> number) return number;
  }
  return {};
}

}  // namespace

Machine describe_machine() {
  return {.cpu_name = cpu_name(),
          .instruction_set = widest_instruction_set(),
          .processors = available_processors(),
          .memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE)};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

int64_t available_memory_bytes() {
  const int64_t free = number_in("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  const std::string group = "/sys/fs/cgroup/";             // as a container sees its own
  const auto limit = number_in(group + "memory.max", "");  // "max": none
  const auto used = number_in(group + "memory.stat", "anon ");
  if (!limit || !used) return free;
  return std::min(free, std::max<int64_t>(0, *limit - *used));
}

int64_t resident_memory_bytes() {
  int64_t total = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGE_SIZE);
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace tandem
