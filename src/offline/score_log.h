// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"

namespace tandem {

// The scores of users that a long evaluation is done with, kept in a file while it runs, so that a
// stopped one goes on after them. A pass is one model over all users in one order of the
// candidates; its name tells it from all others (a hash of its prompts). Rows are appended batch by
// batch, each record with its SHA-256: what a crash tore at the end is cut off.
//
// Every call throws IoError when the file cannot be written.
class ScoreLog {
 public:
  // settings: what the scores depend on beside the prompts. resume: keeps what is there, from the
  // beginning where nothing is; UsageError names each setting that differs, was and is. Else the
  // file is made anew.
  ScoreLog(fs::path path, const Json& settings, bool resume);

  const fs::path& path() const { return path_; }
  // The pass's kept rows, end to end from the first.
  const std::vector<float>& rows_of(const std::string& pass) const;
  // More rows of the pass, behind those that are kept.
  void append(const std::string& pass, const float* rows, int64_t count, int64_t columns);
  // When the result is written.
  void remove() const;

 private:
  void read(const Json& settings);

  fs::path path_;
  std::map<std::string, std::vector<float>> passes_;
};

// Name, size and time of change of a model's files, hashed: another one or a changed one has
// another. "" for an empty path; IoError where nothing is.
std::string files_signature(const fs::path& file_or_folder);

}  // namespace tandem
