// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "learn/trainer/training_verb.h"

namespace tandem::learn {

extern const TrainingVerb kTrainRetriever;

// Learn::bench_retriever.
TrainingSpeed time_retriever(const TrainRequest& request, int64_t steps);

}  // namespace tandem::learn
