// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learn/trainer/training_verb.h"

namespace tandem::learn {

// `tandem train hllm`.
extern const TrainingVerb kTrainHllm;

}  // namespace tandem::learn
