// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "learn/model.h"
#include "learn/retriever/objective.h"
#include "learn/retriever/retriever_config.h"

namespace tandem::learn {

// A freshly initialised model of config.model_type on the device ("cpu", "cuda", "cuda:1"). The
// config must be resolved. Throws ConfigError or DeviceError.
std::unique_ptr<Retriever> make_retriever(const RetrieverConfig& config, int64_t num_items,
                                          const std::string& device);

// What that model is trained on.
std::unique_ptr<TrainingObjective> make_objective(const RetrieverConfig& config, int64_t num_items);

}  // namespace tandem::learn
