// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json.h"

namespace tandem {

// What a retriever is, without its weights; `config.json` of a run folder.
struct RetrieverModelConfig {
  std::string model_type = "lrurec";  // or "sasrec", "bert4rec", "narm"
  int64_t num_items = 0;              // N; item 0 is padding
  int64_t width = 64;                 // D
  int64_t blocks = 2;                 // not narm
  int64_t heads = 2;                  // sasrec and bert4rec
  int64_t inner = 2;  // those two: width of the feed-forward layer as a multiple of D; lrurec has 4
  int64_t max_length = 200;  // L, the newest items of a history that the model sees
  // Of the data set whose item numbers the model knows; empty: unknown.
  std::string dataset_fingerprint = "";

  // Throws ConfigError naming `where` and the key.
  void validate(std::string_view where) const;

  Json to_json() const;
  static RetrieverModelConfig from_json(const Json& json,
                                        std::string_view where);  // validated; FormatError
  bool operator==(const RetrieverModelConfig&) const = default;
};

// A parameter's name in files (the authors' own) and its shape. Complex ones are F32 with a last
// axis (real, imaginary).
struct ParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// All parameters of the model, in the order in which they are written.
std::vector<ParameterSpec> retriever_parameters(const RetrieverModelConfig& config);

// The configuration that explains the shapes in a bare checkpoint. Its length is not in the shapes
// of LRURec and NARM, nor the number of heads in those of SASRec and BERT4Rec: those two come from
// `base`. FormatError names `where` and the tensor that does not fit.
RetrieverModelConfig config_from_shapes(const std::map<std::string, std::vector<int64_t>>& shapes,
                                        const RetrieverModelConfig& base, std::string_view where);

// "201 x 32", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace tandem
