// SPDX-License-Identifier: Apache-2.0
#include "study/read_arm.h"
#include "study/study_config.h"
#include "study/yaml_reader.h"

namespace tandem {
namespace {

PublishedFigures read_published(const YamlReader& reader, const YAML::Node& node,
                                std::string& source) {
  PublishedFigures figures;
  reader.each(
      node, "published",
      [&](const std::string& dataset, const YAML::Node&, const YAML::Node& value) {
        if (dataset == "source") {
          source = reader.text(value, "source");
          return;
        }
        reader.each(
            value, dataset,
            [&](const std::string& users, const YAML::Node& key, const YAML::Node& arms) {
              if (users != "all" && users != "subset")
                throw ConfigError("{}: '{}', expected all or subset", reader.where(key), users);
              reader.each(
                  arms, users,
                  [&](const std::string& arm, const YAML::Node&, const YAML::Node& metrics) {
                    reader.each(metrics, arm,
                                [&](const std::string& metric, const YAML::Node&,
                                    const YAML::Node& figure) {
                                  figures[dataset][users][arm][metric] =
                                      reader.number<double>(figure, metric);
                                });
                  });
            });
      });
  return figures;
}

template <typename List>
std::vector<std::string> names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& one : list) names.push_back(one.name);
  return names;
}

void expect_name(const std::string& name, const std::vector<std::string>& names,
                 const std::string& what) {
  if (std::ranges::find(names, name) != names.end()) return;
  const std::string near = nearest_word(name, names);
  throw ConfigError("{} '{}' is not there{}; there are {}", what, name,
                    near.empty() ? "" : fmt::format(", did you mean '{}'?", near),
                    fmt::join(names, ", "));
}

// One list of seeds is used for everything, so that the spread over seeds is the spread of all of
// it.
void refuse_seed(const StudySettings& settings, const std::string& what, const std::string& file) {
  bool found = find_setting(settings.common, "seed").has_value();
  for (const auto& [dataset, changes] : settings.of_dataset)
    found = found || find_setting(changes, "seed").has_value();
  if (found)
    throw ConfigError("{}: {} sets seed; the seeds at the top are used for everything random", file,
                      what);
}

void check(const StudyConfig& config, const std::string& file) {
  if (config.datasets.empty()) throw ConfigError("{}: there are no datasets", file);
  if (config.arms.empty()) throw ConfigError("{}: there are no arms", file);
  if (config.seeds.empty()) throw ConfigError("{}: there are no seeds", file);
  std::vector<int64_t> seeds = config.seeds;
  std::ranges::sort(seeds);
  if (std::ranges::adjacent_find(seeds) != seeds.end())
    throw ConfigError("{}: a seed stands twice: it would count twice", file);
  if (config.candidates < 1 || config.candidates > 100'000)
    throw ConfigError("{}: candidates is {}, expected 1 to 100000", file, config.candidates);
  const auto bases = names_of(config.bases), arms = names_of(config.arms),
             datasets = names_of(config.datasets);
  const auto check_datasets = [&](const StudySettings& settings, const std::string& what) {
    for (const auto& [name, changes] : settings.of_dataset)
      expect_name(name, datasets, fmt::format("{}: data set of {}", file, what));
  };
  check_datasets(config.retriever, "retriever");
  refuse_seed(config.retriever, "retriever", file);
  for (const StudyBase& base : config.bases) {
    for (const StudySettings* settings : {&base.tokenizer, &base.init, &base.pretrain})
      check_datasets(*settings, "base " + base.name);
    for (const StudySettings* settings : {&base.init, &base.pretrain})
      refuse_seed(*settings, "base " + base.name, file);
  }
  check_datasets(config.hllm, "hllm");
  refuse_seed(config.hllm, "hllm", file);
  std::vector<std::string> starts = bases;  // of towers: bases, and arms of HLLM so far
  for (const StudyArm& arm : config.arms) {
    if (!arm.base.empty())
      expect_name(arm.base, bases, fmt::format("{}: base of arm {}:", file, arm.name));
    if (!arm.towers.empty()) {
      expect_name(arm.towers, starts, fmt::format("{}: towers of arm {}:", file, arm.name));
      if (arm.retriever == StudyArm::Retriever::kHllm) starts.push_back(arm.name);
    }
    for (const StudySettings* settings :
         {&arm.retriever_settings, &arm.ranker, &arm.prompt, &arm.options})
      check_datasets(*settings, "arm " + arm.name);
    for (const StudySettings* settings : {&arm.retriever_settings, &arm.ranker})
      refuse_seed(*settings, "arm " + arm.name, file);
  }
  for (const StudyArm& arm : config.arms) {
    for (const StudyDataset& dataset : config.datasets) {
      const auto shown = find_setting(arm.prompt.for_dataset(dataset.name), "num_candidates");
      if (shown && *shown != std::to_string(config.candidates))
        throw ConfigError(
            "{}: the prompts of arm '{}' show {} candidates, but {} are retrieved; set candidates "
            "alone",
            file, arm.name, *shown, config.candidates);
    }
  }
  for (const auto& [arm, with] : config.compare) {
    for (const std::string& name : {arm, with})
      expect_name(name, arms, fmt::format("{}: compared arm", file));
    if (arm == with) throw ConfigError("{}: '{}' is compared with itself", file, arm);
  }
  for (const auto& [dataset, users] : config.published) {
    expect_name(dataset, datasets, fmt::format("{}: data set of published", file));
    for (const auto& [which, figures] : users) {
      for (const auto& [arm, metrics] : figures) {
        expect_name(arm, arms, fmt::format("{}: published arm", file));
        if (which == "subset" &&
            !std::ranges::find(config.arms, arm, &StudyArm::name)->ranks_candidates())
          throw ConfigError(
              "{}: published figures of '{}' on the subset of {}: the arm does not rank the shared "
              "retriever's candidates, so it stands among all users only",
              file, arm, dataset);
      }
    }
  }
}

// What applies to all arms, below what the arm says itself.
void put_below(const StudySettings& below, StudySettings& above) {
  StudySettings result = below;
  result.common = merged(below.common, above.common);
  for (const auto& [dataset, changes] : above.of_dataset)
    result.of_dataset[dataset] = merged(result.of_dataset[dataset], changes);
  above = std::move(result);
}

// What the file says for all arms at once.
struct ForAllArms {
  StudySettings prompt, ranker;
  std::string baseline;
};

// Spreads it over the arms and the pairs that are compared.
void spread(const ForAllArms& all, const std::string& file, StudyConfig& config) {
  StudySettings prompt = all.prompt;
  prompt.common = merged({{"num_candidates", std::to_string(config.candidates)}}, prompt.common);
  for (StudyArm& arm : config.arms) {
    if (arm.is_retriever()) continue;
    put_below(prompt, arm.prompt);
    if (arm.trains_ranker) put_below(all.ranker, arm.ranker);
  }
  if (all.baseline.empty()) return;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const StudyArm& arm : config.arms)
    if (arm.name != all.baseline) pairs.emplace_back(arm.name, all.baseline);
  for (const auto& pair : config.compare)
    if (std::ranges::find(pairs, pair) == pairs.end()) pairs.push_back(pair);
  config.compare = std::move(pairs);
  expect_name(all.baseline, names_of(config.arms), fmt::format("{}: baseline", file));
}

void read_pairs(const YamlReader& reader, const YAML::Node& node, StudyConfig& config) {
  if (!node.IsSequence()) throw ConfigError("{}: compare must be a list", reader.where(node));
  for (const auto& pair : node) {
    if (!pair.IsSequence() || pair.size() != 2)
      throw ConfigError("{}: compare holds pairs [ARM, ITS BASELINE]", reader.where(pair));
    config.compare.emplace_back(reader.text(pair[0], "an arm"), reader.text(pair[1], "an arm"));
  }
}

void read_seeds(const YamlReader& reader, const YAML::Node& node, StudyConfig& config) {
  if (!node.IsSequence()) throw ConfigError("{}: seeds must be a list", reader.where(node));
  config.seeds.clear();
  for (const auto& seed : node) config.seeds.push_back(reader.number<int64_t>(seed, "a seed"));
}

void read_keys(const YamlReader& reader, const YAML::Node& root, StudyConfig& config,
               ForAllArms& all) {
  const auto text = [&reader](const char* what, std::string& into) {
    return [&reader, what, &into](const YAML::Node& v) { into = reader.text(v, what); };
  };
  const auto number = [&reader](const char* what, int64_t& into) {
    return [&reader, what, &into](const YAML::Node& v) { into = reader.number<int64_t>(v, what); };
  };
  const auto settings = [&reader](const char* what, StudySettings& into) {
    return [&reader, what, &into](const YAML::Node& v) { into = reader.settings(v, what); };
  };
  const auto named = [&reader](const char* what, auto read, auto& into) {
    return [&reader, what, read, &into](const YAML::Node& node) {
      reader.each(node, what,
                  [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
                    check_name(reader, key, name);
                    into.push_back(read(reader, name, value));
                  });
    };
  };
  reader.map(root, "a study",
             {{"title", text("title", config.title)},
              {"seeds", [&](const YAML::Node& v) { read_seeds(reader, v, config); }},
              {"device", text("device", config.device)},
              {"threads", number("threads", config.threads)},
              {"candidates", number("candidates", config.candidates)},
              {"resamples", number("resamples", config.resamples)},
              {"datasets", named("datasets", read_dataset, config.datasets)},
              {"retriever", settings("retriever", config.retriever)},
              {"bases", named("bases", read_base, config.bases)},
              {"prompt", settings("prompt", all.prompt)},
              {"ranker", settings("ranker", all.ranker)},
              {"hllm", settings("hllm", config.hllm)},
              {"arms", named("arms", read_arm, config.arms)},
              {"baseline", text("baseline", all.baseline)},
              {"compare", [&](const YAML::Node& v) { read_pairs(reader, v, config); }},
              {"published", [&](const YAML::Node& v) {
                 config.published = read_published(reader, v, config.published_source);
               }}});
}

}  // namespace

StudyConfig read_study_config(const fs::path& path) {
  const std::string file = path.string();
  StudyConfig config;
  config.text = read_file(path);
  ForAllArms all;
  try {
    read_keys(YamlReader(file, fs::absolute(path).parent_path()), YAML::Load(config.text), config,
              all);
  } catch (const YAML::Exception& error) {
    throw ConfigError("{}: {}", file, error.what());
  }
  spread(all, file, config);
  check(config, file);
  return config;
}

}  // namespace tandem
