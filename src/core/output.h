// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "core/interrupt.h"

namespace tandem {

namespace fs = std::filesystem;

// What a verb writes, so that it replaces its own results and nothing else.
struct OutputKind {
  std::string_view name;  // "a data set", for messages
  // Whether what lies at the path was written by this program as this kind. By its content; false,
  // not an exception, for what cannot be read.
  bool (*recognises)(const fs::path& path);
  // Of a folder: all files that it may hold, as paths in it; '*' is any text, '/' too. Empty: the
  // output is a file.
  std::vector<std::string_view> files = {};
  std::string_view remedy = "";  // what else helps when one is there, as ", go on with --resume"
};

// Where a verb's result goes. The constructor checks, before the work, that the result may stand
// there:
// - nothing there, or an empty folder: fine;
// - something of the same kind: only with `overwrite`, and only when it holds nothing else;
// - the folder in which the program runs, a link, anything that is or holds one of `inputs`: never.
// UsageError and IoError name what is in the way.
class Output {
 public:
  // Not there yet.
  Output(const fs::path& target);                           // NOLINT(google-explicit-constructor)
  Output(const char* target) : Output(fs::path(target)) {}  // NOLINT(google-explicit-constructor)
  Output(const fs::path& target, const OutputKind& kind, bool overwrite,
         const std::vector<fs::path>& inputs = {});

  const fs::path& path() const { return path_; }
  // Whether something is replaced.
  bool replaces() const { return replaces_; }

 private:
  void check_replaceable(const OutputKind& kind) const;

  fs::path path_;
  bool replaces_ = false;
};

// A folder that appears whole or not at all: fill path(), then commit(). Without commit(), and when
// SIGINT or SIGTERM came meanwhile, everything written is removed. What is replaced is moved aside
// first and removed last, so a crash at any point loses nothing.
class StagedFolder {
 public:
  explicit StagedFolder(const Output& output);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const fs::path& path() const { return staging_; }
  // Throws Stopped after a signal; long work between two files asks interrupted() itself.
  void commit();

 private:
  InterruptGuard guard_;
  fs::path target_, staging_;
  bool replaces_, committed_ = false;
};

}  // namespace tandem
