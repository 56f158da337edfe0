// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/file.h"
#include "core/json.h"
#include "core/output.h"
#include "formats/run_lock.h"

namespace tandem {

// A training run of any kind, with the models and folds in it.
extern const OutputKind kRunFolder;

// Logs a warning when the folder holds a training run that ended with the model it began with
// (result.untrained in run.json); nothing for any other folder or file.
void warn_if_untrained(const fs::path& run);

// What run.json says beside what it finds out itself (program version and commit, host, time).
struct RunInfo {
  std::string verb = {};  // "train retriever"
  uint64_t seed = 0;
  std::string dataset_fingerprint = {};
  Json inputs = Json::object();  // further keys that a run keeps when it goes on
  Json extra = Json::object();   // and that may change then (a folder that moved, the device)
  Json facts = Json::object();   // what a new run read, under "facts"; a resumed one keeps its own
};

// What run.json holds when a run begins: `info`, version, commit, host and the time.
Json run_json(const RunInfo& info);

// A training run's folder:
//
//   config.yaml     the resolved configuration
//   run.json        version, commit, verb, seed, dataset fingerprint, facts, host, start and resume
//                   times
//   lock            who writes now (run_lock.h); gone when the run is over
//   metrics.jsonl   one JSON object a line, each with "step"; only appended to
//   state/KIND-N/   checkpoints, KIND being "last" or "best"; the highest N counts
//   events.out.tfevents.*, report.html, model folders: written by others
//
// A checkpoint becomes visible by one rename, after its bytes are on the disk; the one before is
// removed after that. So a crash at any point leaves the old or the new one. One process writes,
// which holds the lock; readers may come at any time.
class RunFolder {
 public:
  // Makes the folder with config.yaml and run.json, whole or not at all, and locks it. The caller
  // holds the lock of a run that is replaced. Throws IoError.
  static RunFolder create(const Output& output, const RunInfo& info, std::string_view config_yaml);
  // A run to go on with. `changed` are the settings that differ from before, as config_yaml has
  // them. ConfigError when run.json has another verb, seed, data set or input than `info`, naming
  // each; what differs of info.extra is added to `changed`. Nothing is written before resume_at().
  static RunFolder go_on(const fs::path& path, RunLock lock, const RunInfo& info,
                         std::string config_yaml, std::vector<ChangedValue> changed);
  // An existing run to read; IoError when there is none.
  static RunFolder open(const fs::path& path);

  const fs::path& path() const { return path_; }
  fs::path config_path() const { return path_ / "config.yaml"; }
  Json info() const { return read_json(path_ / "run.json"); }

  // What go_on() found to differ.
  const std::vector<ChangedValue>& changed() const { return changed_; }

  // Notes in run.json that the run goes on from `step` and with what other settings, writes those,
  // and takes lines of later steps, and a line that a crash cut off, out of metrics.jsonl.
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
  std::optional<RunLock> lock_;
  std::string config_yaml_;  // to be written
  std::vector<ChangedValue> changed_;
};

}  // namespace tandem
