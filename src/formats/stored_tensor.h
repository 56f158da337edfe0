// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/gguf_file.h"
#include "formats/nf4.h"
#include "formats/safetensors.h"

namespace tandem {

// A row of a GGUF file's q or k projection lies elsewhere: see StoredTensor.
struct HeadInterleave {
  int64_t head_dim = 0;  // 0: rows are in order
};

// A parameter of a model in the form its file has it: F32, F16 or BF16, NF4, or the blocks of a
// GGUF file. Nothing is copied or expanded here; readers ask for a few rows at a time. Views into
// files must outlive it.
class StoredTensor {
 public:
  StoredTensor() = default;
  // Throws FormatError unless the elements are F32, F16 or BF16.
  explicit StoredTensor(TensorView view);
  StoredTensor(std::string name, Nf4Tensor weight);
  // With an interleave the tensor's row h d + j, j < d, is read from the file's row
  // h d + 2 (j mod d/2) + j / (d/2): llama.cpp rotates neighbouring elements of a head of d
  // elements, Hugging Face elements half a head apart.
  explicit StoredTensor(GgufTensor tensor, HeadInterleave interleave = {});

  const std::string& name() const { return name_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t count() const;
  int64_t columns() const { return shape_.empty() ? 1 : shape_.back(); }
  int64_t rows() const { return columns() == 0 ? 0 : count() / columns(); }
  std::string_view type_name() const;  // "BF16", "NF4", "Q4_K"
  int64_t bytes() const;               // in the file, scales included

  // Rows [begin, begin + count) as floats, exactly what the form means. Safe to call concurrently.
  void read_rows(int64_t begin, int64_t count, float* out) const;
  std::vector<float> read() const;  // all of it

  // The form itself, or null: for readers that can use it as it is.
  const TensorView* floats() const { return std::get_if<TensorView>(&form_); }
  const Nf4Tensor* nf4() const { return std::get_if<Nf4Tensor>(&form_); }

 private:
  std::string name_;
  std::vector<int64_t> shape_;
  HeadInterleave interleave_;
  std::variant<TensorView, Nf4Tensor, GgufTensor> form_;
};

}  // namespace tandem
