// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "learn/distributed/process_group.h"
#include "learn/learn.h"

namespace tandem::learn {

// What the training half knows of one verb. A task defines its own in its folder, and learn.cc
// lists them: a new task touches nothing else here.
struct TrainingVerb {
  const char* name;       // "train retriever"
  std::string (*keys)();  // all configuration keys, one line each
  void (*run)(const TrainRequest& request, ProcessGroup& group);  // collective
  const char* saves_memory;  // told when there is too little of it
};

// TrainingVerb::keys of a configuration that has a schema().
template <typename Config>
std::string config_keys() {
  Config config;
  return config.schema().help();
}

}  // namespace tandem::learn
