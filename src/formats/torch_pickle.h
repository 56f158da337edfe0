// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/file.h"
#include "formats/safetensors.h"

namespace tandem {

// A state dict that torch.save wrote (zip archive, PyTorch 1.6 and later), mapped. The pickle in it
// is a program; only the few instructions and names that a state dict needs are understood, nothing
// is ever called, and anything else is refused by name.
//
// The state dict is the value of "model_state_dict", "state_dict" or "model" when the outermost
// dict has such a key and a dict stands there, else the outermost dict itself. Values beside it
// (optimizer state, epoch) and values in it that are no tensors are passed over. complex64 is shown
// as F32 with a last axis of 2 (real, imaginary). Tensors that are not contiguous or not aligned
// are copied; all others stay in the file. Throws FormatError naming file and tensor.
class TorchPickleFile {
 public:
  explicit TorchPickleFile(const fs::path& path);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  // FormatError when absent.
  const TensorView& at(const std::string& name) const;
  const fs::path& path() const { return file_.path(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::deque<std::vector<std::byte>> copies_;
};

}  // namespace tandem
