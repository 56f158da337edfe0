// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/file.h"
#include "core/output.h"
#include "models/hllm_config.h"

namespace tandem {

// A run folder of HLLM without a trained catalogue, as convert_hllm() writes it.
extern const OutputKind kHllmFolder;

// A checkpoint of HLLM's authors in one file (pytorch_model.bin, HLLM-0.pth): a flat state dict with
// item_llm.*, user_llm.*, item_emb_tokens and logit_scale, also below "module.".
bool is_hllm_checkpoint(const fs::path& file);

// Writes such a checkpoint as a run folder. `base` is the folder of the language model that both
// towers began as, for config.json and tokenizer; its weights are not looked at. A Baichuan2's
// W_pack is cut into q, k and v; the rest of that architecture is Llama's. Tensors keep their types;
// both heads and the User LLM's word table are left out. The file is mapped, and one shard is
// in memory at a time. `config` says what the checkpoint does not (texts, lengths); width and
// pooling follow from it. Throws FormatError naming file and tensor, IoError, Stopped.
void convert_hllm(const fs::path& file, const fs::path& base, HllmConfig config,
                  const Output& output);

// FormatError that names zero_to_fp32.py when the path is a folder of DeepSpeed's shards (`latest`,
// zero_pp_rank_*, mp_rank_*, also one level below); nothing for any other path.
void refuse_deepspeed(const fs::path& path);

}  // namespace tandem
