// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/frozen_weight.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <vector>

#include "core/error.h"

namespace tandem::learn {
namespace {

class DenseWeight : public FrozenWeight {
 public:
  explicit DenseWeight(at::Tensor matrix) : matrix_(std::move(matrix)) {}

  int64_t outputs() const override { return matrix_.size(0); }
  int64_t inputs() const override { return matrix_.size(1); }

  at::Tensor rows(int64_t begin, int64_t count, at::ScalarType type,
                  at::Tensor& scratch) const override {
    const at::Tensor part = matrix_.narrow(0, begin, count);
    return is_stored_as(type) ? part : expanded(part, type, scratch);
  }
  at::Tensor columns(int64_t begin, int64_t count, at::ScalarType type,
                     at::Tensor& scratch) const override {
    return expanded(matrix_.narrow(1, begin, count), type, scratch);
  }
  bool has_columns() const override { return true; }
  bool is_stored_as(at::ScalarType type) const override { return matrix_.scalar_type() == type; }
  at::Tensor gather(const at::Tensor& ids) const override {
    return matrix_.index_select(0, ids.to(matrix_.device())).to(at::kFloat);
  }
  FrozenWeightPtr moved(at::Device device) const override {
    return dense_weight(matrix_.to(device));
  }

 private:
  static at::Tensor expanded(const at::Tensor& part, at::ScalarType type, at::Tensor& scratch) {
    return expansion(part.numel(), part.options().dtype(type), scratch)
        .view(part.sizes())
        .copy_(part);
  }

  at::Tensor matrix_;
};

}  // namespace

at::Tensor FrozenWeight::columns(int64_t begin, int64_t count, at::ScalarType type,
                                 at::Tensor& scratch) const {
  return rows(0, outputs(), type, scratch).narrow(1, begin, count);
}

at::Tensor FrozenWeight::gather(const at::Tensor& ids) const {
  std::vector<at::Tensor> found;
  for (int64_t i = 0; i < ids.numel(); ++i) {
    at::Tensor own;
    found.push_back(rows(ids.const_data_ptr<int64_t>()[i], 1, at::kFloat, own));
  }
  return at::cat(found);
}

FrozenWeightPtr FrozenWeight::moved(at::Device device) const {
  at::Tensor scratch;
  return dense_weight(rows(0, outputs(), at::kFloat, scratch).to(device));
}

at::Tensor FrozenWeight::expansion(int64_t count, at::TensorOptions options, at::Tensor& scratch) {
  if (!scratch.defined() || scratch.scalar_type() != options.dtype() ||
      scratch.device() != options.device() || scratch.numel() < count)
    scratch = at::empty({count}, options);
  return scratch.narrow(0, 0, count);
}

FrozenWeightPtr dense_weight(const at::Tensor& matrix) {
  if (matrix.dim() != 2 || !at::isFloatingType(matrix.scalar_type()))
    throw ShapeError("frozen weight: {} axes of {}, expected a matrix of numbers", matrix.dim(),
                     c10::toString(matrix.scalar_type()));
  return c10::make_intrusive<DenseWeight>(matrix.detach().contiguous());
}

}  // namespace tandem::learn
