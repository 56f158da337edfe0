// SPDX-License-Identifier: Apache-2.0
// What HLLM's authors' data code makes of interactions and item text, compared exactly: numbers of
// items and users, item text and tokens, samples, every batch with its random draws, held-out rows,
// and the generators alone.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/python_random.h"
#include "data/fields.h"
#include "learn/contrastive/negatives.h"
#include "learn/contrastive/user_chunks.h"
#include "models/time_embedding.h"
#include "oracle/report.h"
#include "rank/item_prompt.h"
#include "tokenizer/tokenizer.h"

namespace tandem::learn {
namespace {

using Table = std::vector<std::vector<std::string>>;
using Numbers = std::vector<int32_t>;

// The rows of a CSV file, the header first.
Table read_csv(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  CsvReader reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, ",");
  Table rows;
  std::vector<std::string_view> fields;
  while (reader.next(fields)) rows.emplace_back(fields.begin(), fields.end());
  return rows;
}

// Numbers from 1 in the order of first appearance; 0 is "[PAD]".
struct FirstSeen {
  std::vector<std::string> names{"[PAD]"};
  std::map<std::string, int32_t> number;

  int32_t of(const std::string& name) {
    const auto [at, fresh] = number.try_emplace(name, static_cast<int32_t>(names.size()));
    if (fresh) names.push_back(name);
    return at->second;
  }
};

// An interactions file as the authors read it: columns item, user, time, whatever the header says.
struct Log {
  FirstSeen items, users;
  struct User {
    int64_t user = 0;
    Numbers items;
    std::vector<int64_t> times;
  };
  std::vector<User> histories;  // in the order of their first row in time

  // The last two items are held out.
  std::vector<UserSequence> training() const {
    std::vector<UserSequence> sequences;
    for (const User& user : histories) {
      const UserSequence all{user.user, user.items, user.times};
      sequences.push_back(all.subsequence(0, std::max<int64_t>(0, std::ssize(user.items) - 2)));
    }
    return sequences;
  }
};

Log read_log(const fs::path& path, const fs::path& universe) {
  struct Row {
    int64_t time;
    int32_t item, user;
  };
  Log log;
  std::vector<Row> rows;
  const auto each = [](const fs::path& file, const auto& take) {
    const Table table = read_csv(file);
    for (size_t i = 1; i < table.size(); ++i) take(table[i]);
  };
  if (!universe.empty()) each(universe, [&](const auto& row) { log.items.of(row[0]); });
  each(path, [&](const auto& row) {
    rows.push_back({std::stoll(row[2]), log.items.of(row[0]), log.users.of(row[1])});
  });
  std::ranges::stable_sort(rows, {}, &Row::time);
  std::vector<int64_t> place(log.users.names.size(), -1);
  for (const Row& row : rows) {
    if (place[row.user] < 0) {
      place[row.user] = std::ssize(log.histories);
      log.histories.push_back({.user = row.user, .items = {}, .times = {}});
    }
    log.histories[place[row.user]].items.push_back(row.item);
    log.histories[place[row.user]].times.push_back(row.time);
  }
  return log;
}

std::string text_or(const Json& object, const char* key) {
  return object.contains(key) ? object.at(key).get<std::string>() : "";
}

void check_generators(const fs::path& folder, OracleReport& report) {
  const fs::path path = folder / "random.json";
  const Json file = read_json(path);
  const auto items = json_get<int64_t>(file, "item_num", path.string());
  bool equal = true;
  int64_t numbers = 0;
  for (const auto& [seed, wanted] : file.at("randint_1_to_n_minus_1").items()) {
    PythonRandom random(std::stoull(seed));
    for (const Json& number : wanted) {
      equal &= random.randint(1, items - 1) == number.get<int64_t>();
      ++numbers;
    }
  }
  report.equal("Python's randint", equal && numbers > 0, fmt::format("{} numbers", numbers));
  equal = !file.at("getrandbits_32").empty();
  for (const auto& [seed, wanted] : file.at("getrandbits_32").items()) {
    PythonRandom random(std::stoull(seed));
    for (const Json& number : wanted) equal &= random.getrandbits(32) == number.get<uint32_t>();
  }
  report.equal("Python's getrandbits", equal);
  equal = !file.at("randperm").empty();
  for (const auto& [seed, wanted] : file.at("randperm").items())
    equal &=
        torch_randperm(std::ssize(wanted), std::stoull(seed)) == wanted.get<std::vector<int64_t>>();
  report.equal("torch's randperm", equal);
}

// Fields of each item by the information file: of two rows with one id the later counts.
std::vector<ItemFields> read_information(const fs::path& path, const Json& items,
                                         const std::vector<std::string>& keys) {
  const Table table = read_csv(path);
  std::map<std::string, const std::vector<std::string>*> rows;
  for (size_t i = 1; i < table.size(); ++i) rows[table[i][0]] = &table[i];
  std::vector<ItemFields> fields;
  for (size_t i = 1; i < items.size(); ++i) {
    ItemFields& item = fields.emplace_back();
    const auto row = rows.find(text_or(items[i], "item_id"));
    if (row == rows.end()) continue;
    item.in_source = true;
    for (const std::string& key : keys) {
      const auto column = std::ranges::find(table[0], key) - table[0].begin();
      item.values.push_back(row->second->at(column));
    }
  }
  return fields;
}

void check_text(const fs::path& folder, OracleReport& report) {
  const fs::path path = folder / "items.json";
  const Json file = read_json(path);
  const Json items = json_get<Json>(file, "items", path.string());
  const ItemPromptConfig config{
      .prompt = json_get<std::string>(file, "prompt", path.string()),
      .keys = json_get<std::vector<std::string>>(file, "text_keys", path.string()),
      .pandas = true,
      .max_tokens = json_get<int64_t>(file, "MAX_TEXT_LENGTH", path.string())};
  const ItemTexts texts(read_information(folder / "information" / "sample.csv", items, config.keys),
                        config);
  const auto tokenizer = load_tokenizer(folder / "tokenizer");
  int64_t wrong_texts = 0, wrong_ids = 0, wrong_places = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const Json& wanted = items[i];
    const auto item = static_cast<int32_t>(i);
    const std::vector<int32_t> ids = texts.ids(item, *tokenizer);
    wrong_texts += texts.text(item) != wanted.at("text").get<std::string>();
    wrong_ids += ids != wanted.at("input_ids").get<Numbers>();
    // Right-aligned: the placeholder is always at max_tokens.
    wrong_places +=
        config.max_tokens - (std::ssize(ids) - 1) != wanted.at("first_position").get<int64_t>();
  }
  const std::string count = fmt::format("{} items", items.size());
  report.equal("item texts", wrong_texts == 0 && texts.num_items() + 1 == std::ssize(items), count);
  report.equal("item tokens", wrong_ids == 0, count);
  report.equal("first positions", wrong_places == 0, count);
}

std::array<int32_t, 6> time_of(const ContrastiveRow& row, int64_t place) {
  const int64_t at = place - std::ssize(row.padding);
  return calendar_fields(at < 0 ? 0 : row.shown.times[at]);
}

// The parts of a stored row that differ.
void compare_row(const ContrastiveRow& row, const Json& batch, size_t at, int64_t length,
                 std::map<std::string, int64_t>& wrong) {
  Numbers items = row.padding, mask(length, 0);
  items.insert(items.end(), row.shown.items.begin(), row.shown.items.end());
  std::fill(mask.end() - row.num_transitions(), mask.end(), 1);
  wrong["items and padding"] += items != batch.at("pos_item_ids").at(at).get<Numbers>();
  wrong["negatives"] += row.negatives != batch.at("neg_item_ids").at(at).get<Numbers>();
  wrong["masks"] += mask != batch.at("attention_mask").at(at).get<Numbers>();
  if (!batch.contains("time_ids")) return;
  const Json& times = batch.at("time_ids").at(at);
  bool equal = std::ssize(times) == std::ssize(items);
  for (size_t place = 0; equal && place < times.size(); ++place)
    equal =
        time_of(row, static_cast<int64_t>(place)) == times.at(place).get<std::array<int32_t, 6>>();
  wrong["times"] += !equal;
}

// Tokens of each item that items.json has, by outside id; of "" is the padding item's.
using TokenCounts = std::map<std::string, int64_t>;

TokenCounts token_counts(const fs::path& folder) {
  TokenCounts counts;
  for (const Json& item : read_json(folder / "items.json").at("items"))
    counts[text_or(item, "item_id")] = std::ssize(item.at("input_ids"));
  return counts;
}

// Whether a batch's packed lengths are those of its rows' items; nothing to say of items that
// items.json lacks.
bool same_lengths(const Json& batch, const char* ids, const char* lengths, const Log& log,
                  const TokenCounts& counts) {
  std::vector<int64_t> wanted;
  for (const Json& row : batch.at(ids)) {
    for (const Json& item : row) {
      const auto found = counts.find(log.items.names.at(item.get<size_t>()));
      if (found == counts.end()) return true;
      wanted.push_back(found->second);
    }
  }
  return batch.at(lengths).get<std::vector<int64_t>>() == wanted;
}

void check_epochs(const Json& file, const Log& log, const TokenCounts& counts,
                  std::span<const UserSequence> samples, const CompatLoader::Options& options,
                  OracleReport& report) {
  CompatLoader loader(samples, options);
  std::map<std::string, int64_t> wrong;
  int64_t rows = 0;
  for (size_t epoch = 0; epoch < file.at("epochs").size(); ++epoch) {
    const Json& wanted = file.at("epochs").at(epoch);
    const std::vector<int64_t> order = loader.order(static_cast<int64_t>(epoch));
    wrong["orders of samples"] += order != wanted.at("order").get<std::vector<int64_t>>();
    for (const Json& batch : wanted.at("batches")) {
      const auto number = batch.at("batch").get<int64_t>();
      const auto places = batch.at("samples").get<std::vector<int64_t>>();
      const std::vector<ContrastiveRow> drawn = loader.batch(static_cast<int64_t>(epoch), number);
      wrong["batches"] += drawn.size() != places.size() ||
                          number % options.workers != batch.at("worker").get<int64_t>() ||
                          !std::ranges::equal(places, std::span(order).subspan(
                                                          number * options.batch, places.size()));
      if (batch.contains("pos_cu_input_lens"))
        wrong["lengths of items"] +=
            !same_lengths(batch, "pos_item_ids", "pos_cu_input_lens", log, counts) ||
            !same_lengths(batch, "neg_item_ids", "neg_cu_input_lens", log, counts);
      for (size_t row = 0; row < std::min(drawn.size(), places.size()); ++row, ++rows)
        compare_row(drawn[row], batch, row, options.max_length, wrong);
    }
  }
  for (const auto& [what, count] : wrong)
    report.equal(what, count == 0 && rows > 0,
                 count > 0 ? fmt::format("{} of {} rows differ", count, rows)
                           : fmt::format("{} rows", rows));
}

// Rows of evaluation: what is known before the last but one item (valid) and before the last.
void check_held_out(const Json& file, const Log& log, int64_t shown, OracleReport& report) {
  for (const auto& [split, held_out] : {std::pair{"valid", 2}, std::pair{"test", 1}}) {
    if (!file.contains(split)) continue;
    const Json& rows = file.at(split);
    int64_t wrong = std::ssize(rows) != std::ssize(log.histories) ? 1 : 0;
    for (size_t i = 0; i < std::min(rows.size(), log.histories.size()); ++i) {
      const Log::User& user = log.histories[i];
      const int64_t known = std::ssize(user.items) - held_out;
      const Numbers history(user.items.begin(), user.items.begin() + known);
      Numbers row(shown, 0);
      for (int64_t t = 0; t < std::min(shown, known); ++t)
        row[shown - 1 - t] = history[known - 1 - t];
      wrong += user.user != rows[i].at("user").get<int64_t>() ||
               history != rows[i].at("history").get<Numbers>() ||
               row != rows[i].at("item_seq").get<Numbers>() ||
               user.items[known] != rows[i].at("target").get<int32_t>();
    }
    report.equal(fmt::format("{} rows", split), wrong == 0, fmt::format("{} users", rows.size()));
  }
}

bool same_samples(const Json& wanted, std::span<const UserSequence> samples) {
  if (wanted.size() != samples.size()) return false;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto items = wanted[i].at("items").get<Numbers>();
    const auto times = wanted[i].at("times").get<std::vector<int64_t>>();
    if (samples[i].user != wanted[i].at("user").get<int64_t>() ||
        !std::ranges::equal(samples[i].items, items) ||
        !std::ranges::equal(samples[i].times, times))
      return false;
  }
  return true;
}

void check_file(const fs::path& folder, const fs::path& path, OracleReport& report) {
  const std::string where = path.string();
  const Json file = read_json(path);
  const Json settings = json_get<Json>(file, "settings", where);
  const auto universe = json_get_or<std::string>(settings, "item_data", "", where);
  const Log log =
      read_log(folder / "dataset" / "sample.csv",
               universe.empty() ? fs::path() : folder / "dataset" / (universe + ".csv"));
  if (file.contains("index_to_item_id"))
    report.equal("numbers of items",
                 log.items.names == file.at("index_to_item_id").get<std::vector<std::string>>());
  if (file.contains("index_to_user_id"))
    report.equal("numbers of users",
                 log.users.names == file.at("index_to_user_id").get<std::vector<std::string>>());
  const auto length = json_get<int64_t>(settings, "MAX_ITEM_LIST_LENGTH", where);
  const std::vector<UserSequence> samples =
      user_chunks(log.training(), length, json_get_or<bool>(settings, "data_split", true, where));
  if (file.contains("train_samples"))
    report.equal("training samples", same_samples(file.at("train_samples"), samples),
                 fmt::format("{} samples", samples.size()));
  CompatLoader::Options options;
  options.num_items = std::ssize(log.items.names) - 1;
  options.max_length = length;
  options.seed = json_get<uint64_t>(settings, "seed", where);
  options.batch = json_get<int64_t>(settings, "batch", where);
  options.avoid_row = path.stem().string().starts_with("id_models");
  const auto negatives = json_get_or<int64_t>(settings, "num_negatives", 0, where);
  options.per_row = (negatives + options.batch - 1) / options.batch;
  if (!file.at("epochs").empty())
    check_epochs(file, log, token_counts(folder), samples, options, report);
  check_held_out(file, log,
                 json_get_or<int64_t>(settings, "MAX_ITEM_LIST_LENGTH_TEST", length, where),
                 report);
}

void check_hllm_data(const fs::path& folder, OracleReport& report) {
  report.part("random");
  check_generators(folder, report);
  report.part("items");
  check_text(folder, report);
  for (const char* name : {"base", "fixed_negatives", "no_split", "universe", "longer_test",
                           "id_models", "id_models_fixed_negatives"}) {
    const fs::path path = folder / (std::string(name) + ".json");
    if (!fs::exists(path)) continue;
    report.part(name);
    check_file(folder, path, report);
  }
}

const OracleChecker checker("hllm-data", "learn", check_hllm_data);

}  // namespace
}  // namespace tandem::learn
