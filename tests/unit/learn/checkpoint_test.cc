// SPDX-License-Identifier: Apache-2.0
#include "learn/checkpoint/checkpoint.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem::learn {
namespace {

TEST(Checkpoint, GivesBackTheSameBitsAndRefusesOtherShapes) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "x.safetensors";
  const std::vector<NamedParameter> saved{{"a", at::tensor({1.5f, -0.0f, 3e-40f})}};
  save_tensors(path, saved);
  const std::vector<NamedParameter> loaded{{"a", at::zeros({3})}};
  load_tensors(path, loaded);
  EXPECT_EQ(0, std::memcmp(saved[0].value.data_ptr(), loaded[0].value.data_ptr(), 12));
  const std::vector<NamedParameter> other{{"a", at::zeros({4})}};
  EXPECT_THROW(load_tensors(path, other), FormatError);
}

}  // namespace
}  // namespace tandem::learn
