// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// RMSNorm (Zhang and Sennrich, "Root Mean Square Layer Normalization") of every group of
// weight.size() columns:
//
//     y = x / sqrt(mean(x^2) + eps) * weight
//
// One group is a whole row in Llama's layers, a head in Qwen3's q and k norm.
Matrix rms_norm(const Matrix& x, std::span<const float> weight, float eps, ThreadPool& pool);

}  // namespace tandem::engine
