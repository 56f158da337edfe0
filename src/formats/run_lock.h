// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/file.h"

namespace tandem {

// Makes this process the only one that writes into a run's folder, as long as the object lives. The
// folder's file "lock" names the holder. The system drops the lock with the process, however that
// ends; the file may then stay and locks nobody out. Another name for the folder changes nothing.
// Readers need no lock. Programs that are started meanwhile do not inherit it.
class RunLock {
 public:
  // IoError naming the process that holds the lock. On a file system without locks: a warning.
  explicit RunLock(const fs::path& run);
  ~RunLock();
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;

 private:
  bool try_lock(const fs::path& run);
  void close();

  int folder_ = -1, file_ = -1;
};

}  // namespace tandem
