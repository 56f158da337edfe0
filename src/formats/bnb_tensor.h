// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "formats/hf_folder.h"
#include "formats/nf4.h"

namespace tandem {

// A 4-bit weight W in a Hugging Face folder, as transformers saves bitsandbytes' NF4:
//
//     W                        U8 [bytes, 1]   the codes
//     W.absmax                 F32 [blocks], or U8 [blocks] with double quantisation
//     W.quant_map              F32 [16]        the table of codes
//     W.nested_absmax          F32 [groups]    double quantisation only, as the next
//     W.nested_quant_map       F32 [256]
//     W.quant_state.bitsandbytes__nf4  U8      JSON: quant_type, blocksize, dtype, shape, nested_*

// True when the folder holds W in 4 bits (of any kind of bitsandbytes).
bool is_bnb_4bit(const HfFolder& folder, const std::string& name);

// The weight, mapped in place where the file's alignment allows. The view must not outlive the
// folder. Throws FormatError: a part is missing or does not fit, another quant_type, another table.
Nf4Tensor read_bnb_nf4(const HfFolder& folder, const std::string& name);

// All tensors of a weight, ready for write_safetensors; `state` keeps bytes that the views show.
struct BnbTensors {
  std::vector<TensorView> views;
  std::shared_ptr<const void> state;
};
// dtype: what the weight was before, "bfloat16", "float16" or "float32".
BnbTensors bnb_nf4_tensors(const std::string& name, const Nf4Tensor& weight,
                           std::string_view dtype);

// The quantization_config of a config.json.
Json bnb_quantization_config(bool double_quant, std::string_view compute_dtype);

}  // namespace tandem
