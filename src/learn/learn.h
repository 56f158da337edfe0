// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"
#include "models/retriever_config.h"

namespace tandem {

// What `tandem train retriever` asks for; a plain copy of the command line.
struct TrainRetrieverRequest {
  fs::path dataset, output;
  fs::path config;                       // a YAML file, or empty
  std::vector<std::string> assignments;  // --set key=value, in order
  std::string device = "cpu";
  int threads = 0;  // 0: all processors
  bool resume = false;
  bool overwrite = false;
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
  virtual void train_retriever(const TrainRetrieverRequest& request) = 0;
  // Trains a new model for some steps, after a few that are not timed; writes nothing and needs no
  // output. One process alone.
  virtual TrainingSpeed bench_retriever(const TrainRetrieverRequest& request, int64_t steps) = 0;
  // All configuration keys of `train retriever`, one line each.
  virtual std::string retriever_config_help() const = 0;
};

// The one symbol that is looked up by name in libtandem_learn.so.
extern "C" Learn* tandem_learn();

}  // namespace tandem
