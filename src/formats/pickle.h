// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"

namespace tandem {

// What a state dict's pickle can hold. Values refer to each other by their place in the pickle's
// list of values, so that a dict which contains itself, or deep nesting, needs no care.
using PickleRef = uint32_t;

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInteger,
    kReal,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  };

  Kind kind = Kind::kNone;
  int64_t integer = 0;         // kBool, kInteger; kStorage: its number of elements
  std::string_view text = {};  // kText; kGlobal: "module name"; kStorage: its key in the archive
  std::vector<PickleRef> items = {};  // kTuple, kList; kDict: key, value, key, value ...; kStorage:
                                      // its type's global; kTensor: storage, offset, shape, strides
};

// A pickle of protocol 2 as torch.save writes it, run on an own small stack machine that calls
// nothing. FormatError, naming `where`, on any other instruction or global. The texts point into
// `code`.
struct Pickle {
  Pickle(std::string_view code, const std::string& where);

  std::vector<PickleValue> values;
  PickleRef root = 0;
};

}  // namespace tandem
