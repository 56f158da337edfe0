// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/process_state.h"
#include "models/retriever_config.h"

namespace tandem::learn {

// What a training verb is told; a plain copy of the command line.
struct TrainRequest {
  std::string verb;  // "train retriever"
  // What is read, by its name: "dataset", "base", "candidates_valid", "retriever", "model", "text".
  std::map<std::string, fs::path> inputs = {};
  fs::path output = {};
  fs::path config = {};                       // a YAML file, or empty
  std::vector<std::string> assignments = {};  // --set key=value, in order
  std::string device = "cpu";
  int threads = 0;  // 0: all processors
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;  // print what the training would do and need, and write nothing

  // Empty where it was not given.
  fs::path input(const std::string& name) const {
    const auto found = inputs.find(name);
    return found == inputs.end() ? fs::path() : found->second;
  }
};

// What some steps of training cost; validation and files are not part of it.
struct TrainingSpeed {
  RetrieverModelConfig model;
  int64_t parameters = 0;
  int64_t steps = 0, rows = 0, labels = 0;  // done in `seconds`; labels are positions with a loss
  double seconds = 0;
  int threads = 0;
};

// The training half as the rest of the program sees it: one object behind a shared library, so that
// everything else works where libtorch is absent. Errors come out as tandem::Error.
class Learn {
 public:
  virtual ~Learn() = default;
  virtual std::string libtorch_version() const = 0;
  virtual std::vector<std::string> devices() const = 0;  // "cpu", "cuda:0 NAME", ...
  // Trains what request.verb names. UsageError for a verb that is not known.
  virtual void train(const TrainRequest& request) = 0;
  // All configuration keys of a verb, one line each. UsageError as above.
  virtual std::string config_help(const std::string& verb) const = 0;
  // Trains a new retriever for some steps, after a few that are not timed; writes nothing and needs
  // no output. One process alone.
  virtual TrainingSpeed bench_retriever(const TrainRequest& request, int64_t steps) = 0;
};

// The one symbol that libtandem_learn.so exports. The library shares the program's state.
extern "C" __attribute__((visibility("default"))) Learn* tandem_learn(ProcessState& program);

}  // namespace tandem::learn
