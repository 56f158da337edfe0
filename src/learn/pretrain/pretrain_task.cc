// SPDX-License-Identifier: Apache-2.0
#include "learn/pretrain/pretrain_task.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/progress.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "models/token_packs.h"

namespace tandem::learn {
namespace {

using Ids = std::vector<int32_t>;

bool is_held_out(const PretrainConfig& config, int64_t number) {
  Rng rng(static_cast<uint64_t>(config.seed), RngPurpose::kFolds, 0, static_cast<uint64_t>(number));
  return rng.uniform() < config.valid_share;
}

SupervisedText whole_text(const Ids& ids) {
  SupervisedText text;
  text.ids.assign(ids.begin(), ids.end() - 1);
  text.labels.assign(ids.begin() + 1, ids.end());
  for (int64_t i = 0; i < std::ssize(text.ids); ++i) text.positions.push_back(i);
  return text;
}

// Takes the texts beyond the limit away and signs what is left.
void finish(PretrainTexts& texts, const PretrainConfig& config) {
  if (config.valid_texts > 0 && std::ssize(texts.valid) > config.valid_texts)
    texts.valid.resize(config.valid_texts);
  Sha256 sha;
  for (const auto* part : {&texts.train, &texts.valid})
    for (const Ids& ids : *part) sha.add(std::as_bytes(std::span(ids)));
  texts.fingerprint = sha.hex();
}

std::vector<fs::path> text_files(const fs::path& path) {
  std::vector<fs::path> files;
  if (!fs::is_directory(path)) {
    files.push_back(path);
  } else {
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) throw UsageError("{}: no .txt file", path.string());
  }
  return files;
}

// Lines one behind the other, cut into blocks.
class Blocks {
 public:
  explicit Blocks(int64_t block) : block_(static_cast<size_t>(block)) {}

  void add(const Ids& line) {
    open_.insert(open_.end(), line.begin(), line.end());
    while (open_.size() >= block_) {
      done_.emplace_back(open_.begin(), open_.begin() + static_cast<int64_t>(block_));
      open_.erase(open_.begin(), open_.begin() + static_cast<int64_t>(block_));
    }
  }
  std::vector<Ids> take() {
    if (open_.size() > 1) done_.push_back(std::move(open_));
    return std::move(done_);
  }

 private:
  size_t block_;
  Ids open_;
  std::vector<Ids> done_;
};

}  // namespace

PretrainTexts history_texts(const Dataset& dataset, const Tokenizer& tokenizer,
                            const PretrainConfig& config, ThreadPool& pool) {
  const TitleCutter cutter(config.prompt, tokenizer);
  const ItemTitles titles(dataset, cutter, pool);
  PromptConfig prompt = config.prompt;
  prompt.max_tokens = config.block;
  const PromptEncoder encoder(tokenizer, prompt);
  std::vector<std::vector<Ids>> of_user(dataset.num_users());
  pool.parallel_for(dataset.num_users(), [&](int64_t user, int) {
    const auto items = train_items(dataset, user);
    for (int64_t end = std::ssize(items); end >= 2;) {
      const int64_t begin = std::max<int64_t>(0, end - config.prompt.max_history);
      if (end - begin < 2) break;
      std::vector<std::string> history;
      for (int64_t i = begin; i < end; ++i) history.push_back(titles[items[i]]);
      Ids ids = encoder.encode(render_history(prompt, history));
      ids.push_back(encoder.eos());
      of_user[user].push_back(std::move(ids));
      end = begin;
    }
  });
  PretrainTexts texts;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    auto& part = is_held_out(config, user) ? texts.valid : texts.train;
    for (Ids& ids : of_user[user]) part.push_back(std::move(ids));
  }
  finish(texts, config);
  return texts;
}

PretrainTexts document_texts(const fs::path& path, const Tokenizer& tokenizer,
                             const PretrainConfig& config) {
  PromptConfig whole;
  whole.max_tokens = int64_t{1} << 40;
  const PromptEncoder encoder(tokenizer, whole);
  Blocks train(config.block), valid(config.block);
  int64_t number = 0;
  for (const fs::path& file_path : text_files(path)) {
    const MappedFile file(file_path);
    const std::string_view text = file.text();
    Progress progress("read " + file_path.filename().string(), static_cast<int64_t>(file.size()),
                      "bytes");
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      if (end > begin) {
        Ids ids = encoder.encode(text.substr(begin, end - begin));
        ids.push_back(encoder.eos());
        (is_held_out(config, number++) ? valid : train).add(ids);
      }
      begin = end + 1;
      progress.update(static_cast<int64_t>(std::min(begin, text.size())));
    }
    progress.finish();
  }
  PretrainTexts texts;
  texts.train = train.take();
  texts.valid = valid.take();
  finish(texts, config);
  return texts;
}

PretrainTask::PretrainTask(Llama& model, const LlamaSource& base, const Tokenizer& tokenizer,
                           const PretrainConfig& config, PretrainTexts texts)
    : LlamaTask(model, base, static_cast<uint64_t>(config.seed)),
      special_ids_(tokenizer.special_ids()),
      texts_(std::move(texts)) {
  if (texts_.train.empty()) throw DataError("there is no text to train on");
  if (texts_.valid.empty())
    throw DataError("no text is held out; raise data.valid_share or give more text");
}

int64_t PretrainTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  int64_t labels = 0;
  for (const int64_t sample : samples) labels += std::ssize(texts_.train[sample]) - 1;
  return labels;
}

std::vector<SupervisedText> PretrainTask::texts(std::span<const int64_t> samples, int64_t) const {
  std::vector<SupervisedText> texts;
  for (const int64_t sample : samples) texts.push_back(whole_text(texts_.train[sample]));
  return texts;
}

void PretrainTask::write_model(const fs::path& folder,
                               std::span<const NamedParameter> parameters) const {
  LlamaTask::write_model(folder, parameters);
  Json config = read_json(folder / "config.json");
  if (special_ids_.bos) config["bos_token_id"] = *special_ids_.bos;
  if (special_ids_.eos) config["eos_token_id"] = *special_ids_.eos;
  write_json(folder / "config.json", config);
}

ValidationResult PretrainTask::validate(ProcessGroup& group, ThreadPool&) const {
  at::NoGradGuard no_grad;
  // One sum a batch, added up in order, so that the number of processes does not change a bit.
  std::vector<double> sums;
  int64_t labels = 0;
  std::vector<int64_t> lengths;
  for (const auto& text : texts_.valid) lengths.push_back(std::ssize(text));
  for (const auto& [begin, end] : token_packs(lengths)) {
    std::vector<SupervisedText> batch;
    int64_t batch_labels = 0;
    for (int64_t i = begin; i < end; ++i) {
      batch_labels += lengths[i] - 1;
      batch.push_back(whole_text(texts_.valid[i]));
    }
    double sum = 0;
    if (static_cast<int>(sums.size() % static_cast<size_t>(group.size())) == group.rank()) {
      const SupervisedBatch packed = pack_texts(batch);
      sum = model().loss(packed.packed, packed.supervised, nullptr).item<double>() *
            static_cast<double>(batch_labels);
    }
    sums.push_back(sum);
    labels += batch_labels;
  }
  group.sum(std::span<double>(sums));
  double sum = 0;
  for (const double part : sums) sum += part;
  const double loss = sum / static_cast<double>(labels);
  return {.value = loss,
          .metrics = {{"texts", texts_.valid.size()},
                      {"tokens", labels},
                      {"loss", loss},
                      {"perplexity", std::exp(loss)}},
          .scalars = {{"loss", loss}}};
}

}  // namespace tandem::learn
