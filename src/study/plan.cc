// SPDX-License-Identifier: Apache-2.0
#include "study/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "core/error.h"
#include "core/sha256.h"
#include "study/path_fingerprint.h"

namespace tandem {
namespace {

constexpr size_t kFolderDigits = 10;  // of the key in a folder's name
constexpr const char* kCandidatesFile = "candidates.safetensors";

StepWord word(std::string text) { return {.text = std::move(text)}; }
StepWord outside(const fs::path& path) { return {.text = path.string(), .is_path = true}; }
StepWord output_of(size_t step) { return {.text = "", .step = step, .is_path = true}; }

// Builds the plan; equal commands become one step.
class Planner {
 public:
  Planner(const StudyConfig& config, const fs::path& folder) : config_(config), folder_(folder) {
    if (!fs::is_directory(folder_ / "steps")) return;
    for (const auto& entry : fs::directory_iterator(folder_ / "steps")) {
      const std::string name = entry.path().filename().string();
      if (name.size() > kFolderDigits + 1)
        folders_[name.substr(name.size() - kFolderDigits - 1)] = name;
    }
  }

  StudyPlan plan() {
    for (size_t d = 0; d < config_.datasets.size(); ++d) {
      dataset_ = d;
      plan_.dataset_paths.push_back(import());
      for (size_t s = 0; s < config_.seeds.size(); ++s) {
        seed_ = s;
        plan_seed();
      }
    }
    return std::move(plan_);
  }

 private:
  const std::string& dataset_name() const { return config_.datasets[dataset_].name; }
  int64_t seed() const { return config_.seeds[seed_]; }
  const StepWord& data() const { return plan_.dataset_paths[dataset_]; }

  void plan_seed() {
    const bool any_shared = std::ranges::any_of(config_.arms, &StudyArm::ranks_candidates);
    const bool any_ranker = !std::ranges::all_of(config_.arms, &StudyArm::is_retriever);
    towers_.clear();
    std::optional<size_t> shared;
    if (any_shared)
      shared = train_retriever("retriever", config_.retriever.for_dataset(dataset_name()));
    plan_.subset.push_back(any_ranker ? std::optional(retrieve("retriever", *shared, "test"))
                                      : std::nullopt);
    for (size_t a = 0; a < config_.arms.size(); ++a) {
      const StudyArm& arm = config_.arms[a];
      StudyCell cell{.dataset = dataset_, .seed = seed_, .arm = a};
      if (arm.retriever == StudyArm::Retriever::kShared) {
        cell.retriever = shared;
      } else if (arm.retriever == StudyArm::Retriever::kOwn) {
        cell.retriever =
            train_retriever(arm.name, merged(config_.retriever.for_dataset(dataset_name()),
                                             arm.retriever_settings.for_dataset(dataset_name())));
      } else if (arm.retriever == StudyArm::Retriever::kHllm) {
        cell.retriever = train_hllm(arm, cell);
        towers_[arm.name] = *cell.retriever;
      } else if (arm.retriever == StudyArm::Retriever::kStar) {
        cell.retriever = build_star(arm, cell);
      }
      if (!arm.is_retriever()) plan_ranker(arm, cell);
      cell.eval = evaluate(arm, cell);
      plan_.cells.push_back(cell);
    }
  }

  void plan_ranker(const StudyArm& arm, StudyCell& cell) {
    cell.valid = retrieve("retriever", *cell.retriever, "valid");
    cell.test = retrieve("retriever", *cell.retriever, "test");
    const StudyBase& base = config_.base(arm.base);
    if (base.path.empty()) cell.base = make_base(base);
    if (!arm.trains_ranker) return;
    Settings settings = arm.ranker.for_dataset(dataset_name());
    for (const auto& [key, value] : arm.prompt.for_dataset(dataset_name()))
      settings = merged(settings, {{"prompt." + key, value}});
    std::vector<StepWord> words = {word("--dataset"),
                                   data(),
                                   word("--base"),
                                   base_path(arm, cell),
                                   word("--candidates-valid"),
                                   output_of(*cell.valid)};
    const auto negatives = find_setting(settings, "train.negatives");
    if (negatives && *negatives != "uniform") {
      words.push_back(word("--retriever"));
      words.push_back(output_of(*cell.retriever));
    }
    cell.ranker = training("train ranker", arm.name, std::move(words), settings);
  }

  StepWord import() {
    const StudyDataset& dataset = config_.datasets[dataset_];
    if (!dataset.path.empty()) return outside(dataset.path);
    std::vector<StepWord> words;
    add_options(words, dataset.import);
    return output_of(add({.name = dataset.name + ": import",
                          .kind = dataset.name + " import",
                          .verb = "data import",
                          .words = std::move(words),
                          .replaces = true}));
  }

  size_t train_retriever(const std::string& owner, const Settings& settings) {
    return training("train retriever", owner, {word("--dataset"), data()}, settings);
  }

  // What an arm's towers begin as.
  StepWord towers_of(const StudyArm& arm, StudyCell& cell) {
    const auto earlier = towers_.find(arm.towers);  // of this data set and seed
    if (earlier != towers_.end()) return output_of(earlier->second);
    const StudyBase& base = config_.base(arm.towers);
    if (base.path.empty()) cell.base = make_base(base);
    return cell.base ? output_of(*cell.base) : outside(base.path);
  }

  // Nothing in it is random: with a base that is given, all seeds share the step.
  size_t build_star(const StudyArm& arm, StudyCell& cell) {
    std::vector<StepWord> words = {word("--dataset"), data(), word("--base"), towers_of(arm, cell)};
    add_options(words, arm.retriever_settings.for_dataset(dataset_name()));
    return add({.name = step_name(arm.name, "train star"),
                .kind = fmt::format("{} {} train star", dataset_name(), arm.name),
                .verb = "train star",
                .words = std::move(words),
                .replaces = true});
  }

  size_t train_hllm(const StudyArm& arm, StudyCell& cell) {
    return training("train hllm", arm.name,
                    {word("--dataset"), data(), word("--base"), towers_of(arm, cell)},
                    merged(config_.hllm.for_dataset(dataset_name()),
                           arm.retriever_settings.for_dataset(dataset_name())));
  }

  // A verb that goes on from its checkpoints and takes --set, --device and --threads.
  size_t training(const std::string& verb, const std::string& owner, std::vector<StepWord> words,
                  const Settings& settings) {
    const Settings all = merged({{"seed", std::to_string(seed())}}, settings);
    for (const auto& [key, value] : all) {
      words.push_back(word("--set"));
      words.push_back(word(key + "=" + value));
    }
    if (config_.device != "cpu") {
      words.push_back(word("--device"));
      words.push_back(word(config_.device));
    }
    return add({.name = step_name(owner, verb),
                .kind = fmt::format("{} {} {}", dataset_name(), owner, verb),
                .verb = verb,
                .words = std::move(words),
                .resumes = true});
  }

  size_t retrieve(const std::string& owner, size_t retriever, const std::string& split) {
    return add(
        {.name = step_name(owner, "candidates of " + split),
         .kind = fmt::format("{} {} retrieve", dataset_name(), owner),
         .verb = "retrieve",
         .words = {word("--run"), output_of(retriever), word("--dataset"), data(), word("--split"),
                   word(split), word("-k"), word(std::to_string(config_.candidates))},
         .output = kCandidatesFile});
  }

  size_t make_base(const StudyBase& base) {
    std::vector<StepWord> words;
    Settings tokenizer = base.tokenizer.for_dataset(dataset_name());
    words = {word("--input"), data()};
    std::erase_if(tokenizer, [&](const auto& setting) {
      if (setting.first != "titles-as-tokens") return false;
      if (setting.second == "true") {
        words.push_back(word("--titles-as-tokens"));
        words.push_back(data());
      }
      return true;
    });
    add_options(words, tokenizer);
    const size_t made_tokenizer =
        add({.name = fmt::format("{}, {}: train tokenizer", dataset_name(), base.name),
             .kind = fmt::format("{} {} tokenizer", dataset_name(), base.name),
             .verb = "tokenizer train",
             .words = std::move(words)});

    words = {word("--tokenizer"), output_of(made_tokenizer)};
    add_options(words,
                merged({{"seed", std::to_string(seed())}}, base.init.for_dataset(dataset_name())));
    const size_t random = add({.name = step_name(base.name, "random weights"),
                               .kind = fmt::format("{} {} init", dataset_name(), base.name),
                               .verb = "model init",
                               .words = std::move(words),
                               .replaces = true});
    return training("pretrain", base.name,
                    {word("--model"), output_of(random), word("--dataset"), data()},
                    base.pretrain.for_dataset(dataset_name()));
  }

  StepWord base_path(const StudyArm& arm, const StudyCell& cell) const {
    return cell.base ? output_of(*cell.base) : outside(config_.base(arm.base).path);
  }

  size_t evaluate(const StudyArm& arm, const StudyCell& cell) {
    std::vector<StepWord> words = {word("--dataset"), data(), word("--retriever")};
    if (!cell.retriever) {
      words.push_back(word("popularity"));
    } else if (cell.test && arm.score != ArmScore::kFused) {
      words.push_back(output_of(*cell.test));
    } else {  // fused: weights are found on the candidates of the valid split, too
      words.push_back(output_of(*cell.retriever));
    }
    Settings options = arm.options.for_dataset(dataset_name());
    if (!arm.is_retriever()) {
      const bool letters =
          arm.score == ArmScore::kLetters || (arm.score == ArmScore::kFused && arm.trains_ranker);
      if (letters) {
        words.push_back(word("--ranker"));
        words.push_back(cell.ranker ? output_of(*cell.ranker) : base_path(arm, cell));
      }
      bool likelihood = arm.score != ArmScore::kLetters;
      if (const auto wish = find_setting(options, "likelihood")) {
        likelihood = *wish == "true";
        std::erase_if(options, [](const auto& option) { return option.first == "likelihood"; });
      }
      if (likelihood) {
        words.push_back(word("--likelihood"));
        words.push_back(base_path(arm, cell));
      }
      if (arm.score == ArmScore::kFused) words.push_back(word("--fuse"));
      if (likelihood || !cell.ranker) {
        for (const auto& [key, value] : arm.prompt.for_dataset(dataset_name())) {
          words.push_back(word("--set"));
          words.push_back(word(fmt::format("prompt.{}={}", key, value)));
        }
      }
    }
    words.push_back(word("--resamples"));
    words.push_back(word(std::to_string(config_.resamples)));
    add_options(words, options);
    return add({.name = step_name(arm.name, "evaluate"),
                .kind = fmt::format("{} {} eval", dataset_name(), arm.name),
                .verb = "eval",
                .words = std::move(words),
                .replaces = true});
  }

  // key: value becomes --key value, and --key alone for true.
  static void add_options(std::vector<StepWord>& words, const Settings& settings) {
    for (const auto& [key, value] : settings) {
      if (value == "false") continue;
      words.push_back(word("--" + key));
      if (key == "input" || key == "meta") {
        words.push_back(outside(value));
      } else if (value != "true") {
        words.push_back(word(value));
      }
    }
  }

  std::string step_name(const std::string& owner, const std::string& what) const {
    return fmt::format("{}, seed {}, {}: {}", dataset_name(), seed(), owner, what);
  }

  size_t add(Step step) {
    Sha256 sha;
    sha.add(step.verb);
    for (const StepWord& one : step.words) {
      sha.add("\n");
      if (one.step) {
        sha.add("step ").add(plan_.steps[*one.step].key).add(one.text);
      } else if (one.is_path) {
        sha.add("files ").add(fingerprint(one.text));
      } else {
        sha.add("text ").add(one.text);
      }
    }
    step.key = sha.hex();
    const auto found = by_key_.find(step.key);
    if (found != by_key_.end()) return found->second;
    std::string name = step.name;
    for (char& c : name) {
      if (c == ' ' || c == ',' || c == ':') c = '-';
    }
    name.erase(
        std::unique(name.begin(), name.end(), [](char a, char b) { return a == '-' && b == '-'; }),
        name.end());
    const std::string end = fmt::format("-{}", step.key.substr(0, kFolderDigits));
    const auto there = folders_.find(end);  // an arm that was renamed keeps its steps
    step.folder = folder_ / "steps" /
                  (there == folders_.end() ? fmt::format("{}{}", name, end) : there->second);
    plan_.steps.push_back(std::move(step));
    by_key_[plan_.steps.back().key] = plan_.steps.size() - 1;
    return plan_.steps.size() - 1;
  }

  const std::string& fingerprint(const std::string& path) {
    const auto found = fingerprints_.find(path);
    if (found != fingerprints_.end()) return found->second;
    return fingerprints_[path] = path_fingerprint(path);
  }

  const StudyConfig& config_;
  fs::path folder_;
  StudyPlan plan_;
  size_t dataset_ = 0, seed_ = 0;
  std::map<std::string, size_t> towers_;  // steps of the arms of HLLM so far
  std::map<std::string, size_t> by_key_;
  std::map<std::string, std::string> fingerprints_;
  std::map<std::string, std::string> folders_;  // end of the name to the name
};

}  // namespace

fs::path StudyPlan::path_of(const StepWord& word) const {
  if (!word.step) return word.text;
  const fs::path output = steps[*word.step].output_path();
  return word.text.empty() ? output : output / word.text;
}

StudyPlan make_study_plan(const StudyConfig& config, const fs::path& folder) {
  return Planner(config, fs::absolute(folder).lexically_normal()).plan();
}

}  // namespace tandem
