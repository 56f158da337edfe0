// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/process_state.h"
#include "models/retriever_config.h"

namespace tandem::learn {

// What every training verb is told; a plain copy of the command line.
struct TrainRequest {
  fs::path output;
  fs::path config;                       // a YAML file, or empty
  std::vector<std::string> assignments;  // --set key=value, in order
  std::string device = "cpu";
  int threads = 0;  // 0: all processors
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;  // print what the training would do and need, and write nothing
};

struct TrainRetrieverRequest : TrainRequest {
  fs::path dataset;
};

struct TrainRankerRequest : TrainRequest {
  fs::path dataset;
  fs::path base;              // Hugging Face folder
  fs::path candidates_valid;  // a candidate file of the validation split, or empty:
  fs::path retriever;         // a retriever's run, which finds them
};

// Causal language modelling on text or on a data set's histories; one of the two is empty.
struct PretrainRequest : TrainRequest {
  fs::path model;  // Hugging Face folder
  fs::path text, dataset;
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
  virtual void train_ranker(const TrainRankerRequest& request) = 0;
  virtual void pretrain(const PretrainRequest& request) = 0;
  // Trains a new model for some steps, after a few that are not timed; writes nothing and needs no
  // output. One process alone.
  virtual TrainingSpeed bench_retriever(const TrainRetrieverRequest& request, int64_t steps) = 0;
  // All configuration keys of a verb ("train retriever", "train ranker", "pretrain"), one line
  // each.
  virtual std::string config_help(const std::string& verb) const = 0;
};

// The one symbol that libtandem_learn.so exports. The library shares the program's state.
extern "C" __attribute__((visibility("default"))) Learn* tandem_learn(ProcessState& program);

}  // namespace tandem::learn
