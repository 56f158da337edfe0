// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_family.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"

namespace tandem {
namespace {

RetrieverModelConfig small(std::string_view model_type) {
  return {.model_type = std::string(model_type),
          .num_items = 7,
          .width = 6,
          .blocks = 3,
          .heads = model_type == "llmid" ? 3 : 2,  // the rotation needs pairs
          .inner = 5,
          .max_length = 9};
}

TensorShapes shapes_of(const RetrieverModelConfig& config) {
  TensorShapes shapes;
  for (const TensorSpec& spec : retriever_parameters(config)) shapes[spec.name] = spec.shape;
  return shapes;
}

template <class Error, class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RetrieverFamily, AnUnknownNameIsRefusedWithTheNearest) {
  EXPECT_EQ(
      error_of<ConfigError>([] { retriever_family("lrurek"); }),
      "model_type is 'lrurek', expected one of lrurec, sasrec, narm, bert4rec, hstu, llmid; did "
      "you mean 'lrurec'?");
  EXPECT_EQ(error_of<ConfigError>([] { retriever_family("", "model.type"); }),
            "model.type is '', expected one of lrurec, sasrec, narm, bert4rec, hstu, llmid");
  EXPECT_THROW(retriever_parameters(small("SASRec")), ConfigError);
  Json json = small("sasrec").to_json();
  json["model_type"] = "sasreq";
  EXPECT_EQ(error_of<FormatError>([&] { RetrieverModelConfig::from_json(json, "c.json"); }),
            "c.json: model_type is 'sasreq', expected one of lrurec, sasrec, narm, bert4rec, hstu, "
            "llmid; did you mean 'sasrec'?");
}

TEST(RetrieverFamily, TheConfigurationHasItsKeysAndNoOthers) {
  EXPECT_EQ(small("lrurec").to_json().dump(),
            R"({"model_type":"lrurec","num_items":7,"width":6,"blocks":3,"max_length":9})");
  EXPECT_EQ(small("narm").to_json().dump(),
            R"({"model_type":"narm","num_items":7,"width":6,"max_length":9})");
  for (const char* type : {"sasrec", "bert4rec"})
    EXPECT_EQ(small(type).to_json().dump(),
              fmt::format(R"({{"model_type":"{}","num_items":7,"width":6,"blocks":3,"heads":2,)"
                          R"("inner":5,"max_length":9}})",
                          type));
  for (const RetrieverFamily& family : retriever_families()) {
    const Json json = small(family.name).to_json();
    EXPECT_EQ(RetrieverModelConfig::from_json(json, "c.json").to_json(), json) << family.name;
    for (const RetrieverKey& key : family.keys) {
      Json without = json;
      without.erase(std::string(key.name));
      EXPECT_EQ(error_of<FormatError>(
                    [&] { RetrieverModelConfig::from_json(without, "c.json"); }) == "no error",
                key.may_be_absent)
          << family.name << " " << key.name;
    }
  }
}

TEST(RetrieverFamily, HeadsDivideTheWidthWhereThereAreHeads) {
  RetrieverModelConfig config = small("sasrec");
  config.heads = 4;
  EXPECT_EQ(error_of<ConfigError>([&] { config.validate("c"); }),
            "c: width 6 is not a multiple of heads 4");
  config.heads = 7;
  EXPECT_EQ(error_of<ConfigError>([&] { config.validate("c"); }), "c: heads is 7, expected 1 to 6");
  config.model_type = "lrurec";
  config.validate("c");
}

// A model of cosines and a narrow table says so; the usual ones say nothing.
TEST(RetrieverFamily, SimilarityAndItemWidthAreWrittenWhereTheyAreNotTheUsual) {
  RetrieverModelConfig config = small("hstu");
  config.inner = RetrieverModelConfig().inner;
  EXPECT_EQ(config.to_json().dump(),
            R"({"model_type":"hstu","num_items":7,"width":6,"blocks":3,"heads":2,"max_length":9})");
  config.item_width = 4;
  config.similarity = Similarity::kCosine;
  EXPECT_EQ(RetrieverModelConfig::from_json(config.to_json(), "c.json"), config);
  Json json = config.to_json();
  json["similarity"] = "cosin";
  EXPECT_EQ(error_of<FormatError>([&] { RetrieverModelConfig::from_json(json, "c.json"); }),
            "c.json: similarity is 'cosin', expected dot or cosine");
  config.model_type = "lrurec";
  EXPECT_EQ(error_of<ConfigError>([&] { config.validate("c"); }),
            "c: similarity is 'cosine', expected dot: LRURec scores by products");
}

TEST(RetrieverFamily, ABareCheckpointIsRecognisedByATensorOfItsOwn) {
  for (const RetrieverFamily& family : retriever_families()) {
    SCOPED_TRACE(family.name);
    const RetrieverModelConfig config = small(family.name);
    const TensorShapes shapes = shapes_of(config);
    for (const RetrieverFamily& other : retriever_families())
      EXPECT_EQ(shapes.contains(std::string(other.own_name)), other.name == family.name);
    EXPECT_EQ(
        config_from_shapes(shapes, {.heads = config.heads, .max_length = 9}, "m.pth").to_json(),
        config.to_json());
  }
  EXPECT_EQ(error_of<FormatError>([] {
              config_from_shapes({{"w", {2}}}, {}, "m.pth");
            }),
            "m.pth: is no retriever's checkpoint, none of "
            "'model.lru_blocks.0.lru_layer.params_log' (LRURec), "
            "'trm_encoder.layer.0.multi_head_attention.query.weight' (SASRec), "
            "'model.gru.weight_hh_l0' (NARM), 'embedding.position.pe.weight' (BERT4Rec), "
            "'_hstu._attention_layers.0._uvqk' (HSTU), 'user_llm.model.norm.weight' (LLMIDRec) is "
            "among its 1 tensors");
}

// The products of a position by hand, D = 6: two operations a weight of every matrix but tables.
TEST(RetrieverFamily, FlopsArePerWeightOfTheMatrices) {
  const auto flops = [](const char* type) {
    return retriever_family(type).flops_per_position(small(type));
  };
  EXPECT_EQ(flops("lrurec"), 3 * 2 * 36 * (4 + 4 + 8));
  EXPECT_EQ(flops("sasrec"), 3 * 2 * 36 * (4 + 2 * 5));
  EXPECT_EQ(flops("bert4rec"), 3 * 2 * 36 * (4 + 2 * 5));
  EXPECT_EQ(flops("narm"), 2 * 36 * (6 + 12 + 4));
  EXPECT_EQ(flops("hstu"), 3 * 2 * 36 * (4 + 1));
}

}  // namespace
}  // namespace tandem
