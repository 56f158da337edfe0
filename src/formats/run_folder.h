// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/output.h"

namespace tandem {

// A training run of any kind, with the models and folds in it.
extern const OutputKind kRunFolder;

// What run.json says beside what it finds out itself (program version and commit, host, time).
struct RunInfo {
  std::string verb;  // "train retriever"
  uint64_t seed = 0;
  std::string dataset_fingerprint;
  Json extra = Json::object();  // further keys, written as they are
};

// A training run's folder:
//
//   config.yaml     the resolved configuration
//   run.json        version, commit, verb, seed, dataset fingerprint, host, start and resume times
//   metrics.jsonl   one JSON object a line, each with "step"; only appended to
//   state/KIND-N/   checkpoints, KIND being "last" or "best"; the highest N counts
//   events.out.tfevents.*, report.html, model folders: written by others
//
// A checkpoint becomes visible by one rename, after its bytes are on the disk; the one before is
// removed after that. So a crash at any point leaves the old or the new one. One process writes;
// readers may come at any time.
class RunFolder {
 public:
  // Makes the folder with config.yaml and run.json, whole or not at all. Throws IoError.
  static RunFolder create(const Output& output, const RunInfo& info, std::string_view config_yaml);
  // An existing run; IoError when there is none.
  static RunFolder open(const fs::path& path);

  const fs::path& path() const { return path_; }
  fs::path config_path() const { return path_ / "config.yaml"; }
  Json info() const { return read_json(path_ / "run.json"); }

  // Notes in run.json that the run goes on from `step`, and takes lines of later steps, and a line
  // that a crash cut off, out of metrics.jsonl.
  void resume_at(int64_t step);

  // Appends {"step": step, values...} as one line. NaN and infinity become null, as JSON knows
  // neither.
  void log(int64_t step, const Json& values);
  // All whole lines so far, oldest first.
  std::vector<Json> metrics() const;

  // fill writes a checkpoint's files into the empty folder it is given. On return the checkpoint is
  // on the disk under its final name and the older ones of its kind are gone. When fill throws,
  // nothing has changed.
  void save_state(std::string_view kind, const std::function<void(const fs::path&)>& fill);
  // The newest whole checkpoint of the kind.
  std::optional<fs::path> state(std::string_view kind) const;

 private:
  explicit RunFolder(fs::path path) : path_(std::move(path)) {}

  fs::path path_;
};

}  // namespace tandem
