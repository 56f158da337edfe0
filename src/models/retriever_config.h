// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "models/parameter_spec.h"

namespace tandem {

// How hidden state h and item vector v make a score: h.v + bias, or the cosine of the two.
enum class Similarity { kDot, kCosine };

// What a retriever is, without its weights; `config.json` of a run folder.
struct RetrieverModelConfig {
  std::string model_type = "lrurec";  // the name of a RetrieverFamily
  int64_t num_items = 0;              // N; item 0 is padding
  int64_t width = 64;                 // D
  // Of families with such a key; the others ignore it.
  int64_t blocks = 2;
  int64_t heads = 2;
  int64_t inner = 2;          // width of the feed-forward layer as a multiple of D
  int64_t kv_heads = 0;       // heads of keys and values; 0: heads
  int64_t ffn_width = 0;      // of the feed-forward layer; 0: by the family
  int64_t item_width = 0;     // of the item table, projected to D; 0: it is D wide
  int64_t relative_bias = 0;  // hstu: 1: the attention has one (models/relative_bias.h)
  int64_t max_length = 200;   // L, the newest items of a history that the model sees
  Similarity similarity = Similarity::kDot;
  // Of the data set whose item numbers the model knows; empty: unknown.
  std::string dataset_fingerprint = "";

  // Throws ConfigError naming `where` and the key.
  void validate(std::string_view where) const;

  Json to_json() const;
  static RetrieverModelConfig from_json(const Json& json,
                                        std::string_view where);  // validated; FormatError
  bool operator==(const RetrieverModelConfig&) const = default;
};

// All parameters of the model, in the order in which they are written.
std::vector<TensorSpec> retriever_parameters(const RetrieverModelConfig& config);

// The configuration that explains the shapes in a bare checkpoint. What they do not tell (the
// length of LRURec and NARM, the number of heads) comes from `base`. FormatError names `where` and
// the tensor that does not fit.
RetrieverModelConfig config_from_shapes(const TensorShapes& shapes,
                                        const RetrieverModelConfig& base, std::string_view where);

}  // namespace tandem
