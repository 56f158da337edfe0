// SPDX-License-Identifier: Apache-2.0
#include "study/read_arm.h"

namespace tandem {
namespace {

// How an arm finds items.
void read_retriever(const YamlReader& reader, const YAML::Node& node, StudyArm& arm) {
  if (node.IsMap()) {
    arm.retriever = StudyArm::Retriever::kOwn;
    arm.retriever_settings = reader.settings(node, "retriever");
  } else if (reader.text(node, "retriever") == "popularity") {
    arm.retriever = StudyArm::Retriever::kPopularity;
  } else if (node.Scalar() != "shared") {
    throw ConfigError("{}: retriever is '{}', expected shared, popularity or settings",
                      reader.where(node), node.Scalar());
  }
}

ArmScore read_score(const YamlReader& reader, const YAML::Node& node) {
  const std::string score = reader.text(node, "score");
  if (score == "letters") return ArmScore::kLetters;
  if (score == "likelihood") return ArmScore::kLikelihood;
  if (score == "fused") return ArmScore::kFused;
  throw ConfigError("{}: score is '{}', expected letters, likelihood or fused", reader.where(node),
                    score);
}

// What goes together in an arm and what does not.
void check_arm(const YamlReader& reader, const YAML::Node& node, const StudyArm& arm,
               bool has_score) {
  if (arm.base.empty() && (arm.trains_ranker || has_score || !arm.prompt.common.empty()))
    throw ConfigError("{}: arm '{}' has ranker, score or prompt, but no base", reader.where(node),
                      arm.name);
  if (!arm.base.empty() && !arm.ranks_candidates())
    throw ConfigError(
        "{}: arm '{}' has a base and a retriever of its own; an arm with a base ranks the "
        "candidates of the shared retriever, whose settings stand under retriever",
        reader.where(node), arm.name);
  const bool reads_texts =
      arm.retriever == StudyArm::Retriever::kHllm || arm.retriever == StudyArm::Retriever::kStar;
  if (reads_texts != !arm.towers.empty())
    throw ConfigError("{}: arm '{}' needs both hllm or star and towers, or neither",
                      reader.where(node), arm.name);
}

}  // namespace

void check_name(const YamlReader& reader, const YAML::Node& node, const std::string& name) {
  const bool good = !name.empty() && name[0] != '.' && name.size() <= 64 &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._-") == std::string::npos;
  if (!good)
    throw ConfigError("{}: the name '{}' must be of letters, digits, '.', '_' and '-'",
                      reader.where(node), name);
}

StudyDataset read_dataset(const YamlReader& reader, const std::string& name,
                          const YAML::Node& node) {
  StudyDataset dataset{.name = name, .path = {}, .import = {}};
  if (node.IsScalar()) {
    dataset.path = reader.path(node.Scalar());
    return dataset;
  }
  reader.map(node, "data set " + name,
             {{"path", [&](const YAML::Node& v) { dataset.path = reader.path(v.Scalar()); }},
              {"import", [&](const YAML::Node& v) {
                 dataset.import = reader.settings(v, "import").common;
                 for (auto& [key, value] : dataset.import) {
                   if (key == "input" || key == "meta") value = reader.path(value).string();
                 }
               }}});
  if (dataset.path.empty() == dataset.import.empty())
    throw ConfigError("{}: data set '{}' needs either a path or an import", reader.where(node),
                      name);
  if (!dataset.import.empty() && !find_setting(dataset.import, "input"))
    throw ConfigError("{}: import of '{}' has no input", reader.where(node), name);
  return dataset;
}

StudyBase read_base(const YamlReader& reader, const std::string& name, const YAML::Node& node) {
  StudyBase base{.name = name, .path = {}, .tokenizer = {}, .init = {}, .pretrain = {}};
  if (node.IsScalar()) {
    base.path = reader.path(node.Scalar());
    return base;
  }
  bool made = false;
  const auto into = [&](StudySettings& settings, const char* what) {
    return [&reader, &settings, &made, what](const YAML::Node& v) {
      settings = reader.settings(v, what);
      made = true;
    };
  };
  reader.map(node, "base " + name,
             {{"path", [&](const YAML::Node& v) { base.path = reader.path(v.Scalar()); }},
              {"tokenizer", into(base.tokenizer, "tokenizer")},
              {"init", into(base.init, "init")},
              {"pretrain", into(base.pretrain, "pretrain")}});
  if (base.path.empty() != made)
    throw ConfigError("{}: base '{}' needs either a path, or tokenizer, init and pretrain",
                      reader.where(node), name);
  return base;
}

StudyArm read_arm(const YamlReader& reader, const std::string& name, const YAML::Node& node) {
  StudyArm arm;
  arm.name = name;
  bool has_score = false;
  Settings verbalizer;
  std::string finder;  // the key that says how the arm finds items
  const auto finds = [&](const char* key, const YAML::Node& v) {
    if (!finder.empty())
      throw ConfigError("{}: arm '{}' has both {} and {}", reader.where(v), name, finder, key);
    finder = key;
  };
  const auto own_kind = [&](const char* key, StudyArm::Retriever kind) {
    return [&reader, &arm, &finds, key, kind](const YAML::Node& v) {
      finds(key, v);
      arm.retriever = kind;
      arm.retriever_settings = reader.settings(v, key);
    };
  };
  reader.map(node, "arm " + name,
             {{"retriever",
               [&](const YAML::Node& v) {
                 finds("retriever", v);
                 read_retriever(reader, v, arm);
               }},
              {"hllm", own_kind("hllm", StudyArm::Retriever::kHllm)},
              {"star", own_kind("star", StudyArm::Retriever::kStar)},
              {"towers", [&](const YAML::Node& v) { arm.towers = reader.text(v, "towers"); }},
              {"base", [&](const YAML::Node& v) { arm.base = reader.text(v, "base"); }},
              {"ranker",
               [&](const YAML::Node& v) {
                 arm.trains_ranker = true;
                 arm.ranker = reader.settings(v, "ranker");
               }},
              {"prompt", [&](const YAML::Node& v) { arm.prompt = reader.settings(v, "prompt"); }},
              {"eval", [&](const YAML::Node& v) { arm.options = reader.settings(v, "eval"); }},
              {"verbalizer",
               [&](const YAML::Node& v) {
                 verbalizer = {{"verbalizer", reader.text(v, "verbalizer")}};
               }},
              {"score", [&](const YAML::Node& v) {
                 arm.score = read_score(reader, v);
                 has_score = true;
               }}});
  arm.prompt.common = merged(arm.prompt.common, verbalizer);
  check_arm(reader, node, arm, has_score);
  return arm;
}

}  // namespace tandem
