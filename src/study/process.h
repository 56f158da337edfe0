// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace tandem {

struct ProcessResult {
  int exit_code = 0;
  int signal = 0;  // that ended it, or 0
  double cpu_seconds = 0;
  std::string tail;  // its last lines
};

// Runs a program to its end. Both of its outputs go to the log file (appended) and line by line to
// on_line. An interruption of this process is passed on once, as SIGINT, and when this process
// dies, the child gets SIGTERM. IoError when it cannot be started.
ProcessResult run_process(const std::string& program, const std::vector<std::string>& arguments,
                          const fs::path& log,
                          const std::function<void(std::string_view)>& on_line);

// Keeps a second process out of a folder while this one, or a child that it left behind, lives.
// Waits, with a message, for as long as another holds it; Interrupted when told to stop.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace tandem
