// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learn/trainer/training_verb.h"

namespace tandem::learn {

extern const TrainingVerb kTrainRanker;

}  // namespace tandem::learn
