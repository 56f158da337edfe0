// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace tandem::learn {

// The processes that train one model together. All calls are collective: every process makes them
// in the same order with the same sizes, and every process gets the same bits. Not for concurrent
// use.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Element-wise sums over the processes, in place.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;
  virtual void sum(std::span<int64_t> values) = 0;
  virtual void barrier() = 0;
  // Ends all processes at once: for an error on one of them, while the others wait in a collective
  // call.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

// MPI when mpirun started more than one process, else a group of one. MPI is initialised here and
// only then, and finished when the program ends. Throws DeviceError when mpirun started us and this
// build has no MPI.
ProcessGroup& world();

// A group of this process alone, whoever else runs.
ProcessGroup& alone();

}  // namespace tandem::learn
