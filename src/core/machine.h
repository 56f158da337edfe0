// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tandem {

// What this machine is, as far as speed and reproducibility depend on it.
struct Machine {
  std::string cpu_name;
  std::string instruction_set;  // widest usable: "avx2", "avx512", "avx512_bf16", "amx"
  int processors = 0;           // that this process may use
  int64_t memory_bytes = 0;
};

Machine describe_machine();

// This machine's name in its network.
std::string host_name();

// What this process may still take without the system running short: free and reclaimable memory,
// and what its control group leaves of its limit. Swap does not count. 0: not known.
int64_t available_memory_bytes();
// Resident set of this process now.
int64_t resident_memory_bytes();
// Largest resident set of this process so far.
int64_t peak_memory_bytes();

}  // namespace tandem
