// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Segment = std::function<at::Tensor(const at::Tensor&)>;

struct SegmentHolder : torch::CustomClassHolder {
  explicit SegmentHolder(Segment f) : run(std::move(f)) {}
  Segment run;
};

struct Checkpoint : torch::autograd::Function<Checkpoint> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            at::TensorList parameters,
                            const c10::intrusive_ptr<SegmentHolder>& segment) {
    variable_list saved{x};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["segment"] = c10::IValue::make_capsule(segment);
    return segment->run(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto segment = c10::static_intrusive_pointer_cast<SegmentHolder>(
        context->saved_data["segment"].toCapsule());
    at::AutoGradMode enable(true);
    const at::Tensor x = saved[0].detach().set_requires_grad(context->needs_input_grad(0));
    variable_list inputs;
    for (size_t i = 0; i < saved.size(); ++i) {
      const at::Tensor& input = i == 0 ? x : saved[i];
      if (input.requires_grad()) inputs.push_back(input);
    }
    const at::Tensor y = segment->run(x);
    const variable_list found =
        torch::autograd::grad({y}, inputs, {gradients[0]}, std::nullopt,
                              /*create_graph=*/false, /*allow_unused=*/true);
    variable_list result;
    size_t next = 0;
    for (size_t i = 0; i < saved.size(); ++i) {
      const bool wanted = i == 0 ? x.requires_grad() : saved[i].requires_grad();
      result.push_back(wanted ? found[next++] : at::Tensor());
    }
    result.emplace_back();  // of the segment
    return result;
  }
};

}  // namespace

at::Tensor checkpoint(const Segment& f, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters) {
  return Checkpoint::apply(x, at::TensorList(parameters), c10::make_intrusive<SegmentHolder>(f));
}

}  // namespace tandem::learn
