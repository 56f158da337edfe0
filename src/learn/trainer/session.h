// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/config.h"
#include "core/json.h"
#include "core/thread_pool.h"
#include "formats/run_folder.h"
#include "learn/distributed/process_group.h"
#include "learn/learn.h"
#include "learn/trainer/trainer.h"

namespace tandem::learn {

// Number of usable CUDA devices; loads libtorch's CUDA half where there is one.
int cuda_devices();

// "cpu", or "cuda" as "cuda:N" with an existing N. UsageError, DeviceError.
std::string check_device(const std::string& device, int local_rank);

// A step's buffers are as large as the last one's: keeps freed memory instead of returning it to
// the system and faulting it in again.
void keep_freed_memory();

// The configuration file, then --set.
void read_config(ConfigSchema& schema, const TrainRequest& request);

// One process's share of a training verb: device, threads, the run folder on the first process.
class Session {
 public:
  // The run folder may be none of what the run reads. Throws UsageError, DeviceError, and IoError,
  // also when another process trains in the run folder. Quiet on all processes but the first.
  Session(const TrainRequest& request, ProcessGroup& group);

  ProcessGroup& group() { return group_; }
  ThreadPool& pool() { return pool_; }
  const std::string& device() const { return device_; }
  int threads() const { return threads_; }
  bool first() const { return group_.rank() == 0; }
  bool resuming() const { return resuming_; }

  // Defaults, then the run's own configuration when it is resumed, then the file, then --set.
  void read_config(ConfigSchema schema);
  // Once no value of the configuration changes any more. A resumed run takes other limits (a higher
  // train.max_steps, say), which run.json then tells; ConfigError for what it must keep.
  void check_config(const ConfigSchema& schema);
  // Says what the training will need; with --dry-run also what it would do, on standard output.
  // False then: nothing more is to be done. ConfigError when the steps do not suffice for the
  // warm-up.
  bool announce(const TrainingTask& task, const TrainOptions& options);
  // Makes or reopens the run folder, collectively; null on all processes but the first. The verb
  // and what the session itself knows are added to `info`.
  RunFolder* open_folder(RunInfo info, const std::string& config_yaml);
  // Resumes where asked, trains, and notes the result in run.json.
  void train(Trainer& trainer, const TrainOptions& options);

 private:
  const TrainRequest& request_;
  ProcessGroup& group_;
  Stopwatch watch_;
  bool resuming_;
  std::string device_;
  int threads_;
  ThreadPool pool_;
  std::optional<Output> output_;         // of a new run, on the first process
  std::optional<RunLock> old_lock_;      // of the run that is resumed or replaced
  std::vector<std::string> began_with_;  // its configuration
  std::vector<ChangedValue> changed_;    // and what differs from it
  std::optional<RunFolder> folder_;
};

}  // namespace tandem::learn
