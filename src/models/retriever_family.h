// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/parameter_spec.h"
#include "models/retriever_config.h"

namespace tandem {

// A key of config.json that not every family has.
struct RetrieverKey {
  std::string_view name;
  int64_t RetrieverModelConfig::*field;
  int64_t most;                // the least is 1
  bool may_be_absent = false;  // then the field's default is meant
  bool divides_width = false;
  bool may_be_zero = false;  // 0 has a meaning of its own and is not written
};

inline constexpr RetrieverKey kBlocksKey{"blocks", &RetrieverModelConfig::blocks, 256};
inline constexpr RetrieverKey kHeadsKey{
    .name = "heads", .field = &RetrieverModelConfig::heads, .most = 8192, .divides_width = true};
inline constexpr RetrieverKey kInnerKey{
    .name = "inner", .field = &RetrieverModelConfig::inner, .most = 64, .may_be_absent = true};

inline constexpr RetrieverKey kItemWidthKey{.name = "item_width",
                                            .field = &RetrieverModelConfig::item_width,
                                            .most = 8192,
                                            .may_be_absent = true,
                                            .may_be_zero = true};

// What a model_type means, without arithmetic. Each family is one file of this folder; engine and
// learn have a table of constructors by the same names.
struct RetrieverFamily {
  std::string_view name;      // model_type in config.json, model.type in a training's keys
  std::string_view title;     // as its authors write it
  std::string_view made_of;   // for help: "linear recurrent units"
  std::string_view own_name;  // a tensor that no other family's checkpoints have
  // Besides num_items, width and max_length, in the order in which they are written.
  std::span<const RetrieverKey> keys;
  int64_t default_inner;     // what 0 means in a training's model.inner
  bool cosine = false;       // whether its scores may be cosines
  bool contrastive = false;  // trained by contrast unless another loss is asked for

  // All parameters, in the order in which they are written.
  std::vector<TensorSpec> (*parameters)(const RetrieverModelConfig& config);
  // Sets what the shapes of a bare checkpoint tell and leaves the rest of `config`. FormatError.
  void (*read_shapes)(const TensorShapes& shapes, std::string_view where,
                      RetrieverModelConfig& config);
  // Of all blocks, forward, without the scores.
  double (*flops_per_position)(const RetrieverModelConfig& config);
  // What else must hold of a configuration whose keys are in range. FormatError names `where`.
  void (*check)(const RetrieverModelConfig& config, std::string_view where) = nullptr;
};

// flops_per_position of blocks of attention and a feed-forward layer.
double transformer_flops_per_position(const RetrieverModelConfig& config);

RetrieverFamily lrurec_family();
RetrieverFamily sasrec_family();
RetrieverFamily narm_family();
RetrieverFamily bert4rec_family();
RetrieverFamily hstu_family();
RetrieverFamily llmid_family();

// All of them, in the order in which help and messages list them.
std::span<const RetrieverFamily> retriever_families();
std::vector<std::string> retriever_family_names();

// ConfigError, beginning with `what` ("config.json: model_type"), that lists the known names and
// suggests the nearest.
const RetrieverFamily& retriever_family(std::string_view name,
                                        std::string_view what = "model_type");

}  // namespace tandem
