// SPDX-License-Identifier: Apache-2.0
#include "data/describe.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/plural.h"
#include "core/sha256.h"
#include "data/equal_times.h"
#include "data/fields.h"

namespace tandem {
namespace {

constexpr int64_t kShownTitles = 5;

void check_fingerprint(const Dataset& dataset) {
  Sha256 hash;
  for (const char* name : {"users.bin", "items.bin", "interactions.bin", "items.jsonl"}) {
    const MappedFile file(dataset.folder() / name);
    hash.add(file.bytes());
  }
  if (const std::string found = hash.hex(); found != dataset.fingerprint())
    throw FormatError("{}: the content's SHA-256 is {}, dataset.json says {}",
                      dataset.folder().string(), found, dataset.fingerprint());
}

Json sample_of(const Dataset& dataset, int64_t user) {
  const auto items = dataset.items(user);
  Json titles = Json::array();
  const size_t shown = std::min<size_t>(items.size(), kShownTitles);
  for (const int32_t item : items.last(shown)) titles.push_back(dataset.title(item));
  return {{"user", dataset.user_id(user)},
          {"interactions", items.size()},
          {"last_titles", std::move(titles)}};
}

std::string grouped(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string result;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

}  // namespace

std::string format_time(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (!::gmtime_r(&time, &parts)) return std::to_string(seconds);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

Json describe_dataset(const Dataset& dataset, int64_t num_samples) {
  check_fingerprint(dataset);
  std::vector<int64_t> lengths;
  std::vector<bool> seen(static_cast<size_t>(dataset.num_items()) + 1);
  int64_t first = std::numeric_limits<int64_t>::max(), last = std::numeric_limits<int64_t>::min();
  int64_t rated = 0;
  EqualTimesCount ties;
  double rating_sum = 0;
  bool timed = false;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const auto times = dataset.timestamps(user);
    lengths.push_back(static_cast<int64_t>(times.size()));
    for (const int32_t item : dataset.items(user)) seen[item] = true;
    for (size_t i = 0; i < times.size(); ++i) {
      first = std::min(first, times[i]);
      last = std::max(last, times[i]);
      timed |= times[i] != 0;
    }
    ties.add_user(times.size(), [&](size_t i) { return times[i] == times[i + 1]; });
    for (const float rating : dataset.ratings(user)) {
      if (std::isnan(rating)) continue;
      ++rated;
      rating_sum += rating;
    }
  }
  int64_t titled = 0;
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    titled += dataset.title(item) != dataset.item_id(item);
  std::sort(lengths.begin(), lengths.end());
  const auto users = static_cast<double>(dataset.num_users());
  const size_t middle = lengths.size() / 2;
  const double median = lengths.empty() ? 0
                        : lengths.size() % 2 == 1
                            ? static_cast<double>(lengths[middle])
                            : static_cast<double>(lengths[middle - 1] + lengths[middle]) / 2;

  const Json stored = read_json(dataset.folder() / "dataset.json");
  Json result = {
      {"dataset", text_of_bytes(dataset.folder().string())},
      {"num_users", dataset.num_users()},
      {"num_items", dataset.num_items()},
      {"num_interactions", dataset.num_interactions()},
      {"titled_items", titled},
      {"mean_length", users > 0 ? static_cast<double>(dataset.num_interactions()) / users : 0.0},
      {"median_length", median},
      {"min_length", lengths.empty() ? 0 : lengths.front()},
      {"max_length", lengths.empty() ? 0 : lengths.back()},
      {"density", dataset.num_interactions() > 0
                      ? static_cast<double>(dataset.num_interactions()) / users /
                            static_cast<double>(dataset.num_items())
                      : 0.0}};
  if (timed) {
    result["first_time"] = format_time(first);
    result["last_time"] = format_time(last);
    // Of the source's exact times where the import counted them, else of the seconds that are kept.
    result["equal_times"] = stored.contains("equal_times") && stored["equal_times"].is_object()
                                ? stored["equal_times"]
                                : ties.to_json();
  }
  result["ratings"] = rated;
  if (rated > 0) result["mean_rating"] = rating_sum / static_cast<double>(rated);
  for (const char* key : {"source", "time_unit", "dropped", "min_user", "min_item", "drop_untitled",
                          "ties", "split"}) {
    if (stored.contains(key)) result[key] = stored[key];
  }
  result["fingerprint"] = dataset.fingerprint();
  Json samples = Json::array();
  for (int64_t user = 0; user < std::min(num_samples, dataset.num_users()); ++user)
    samples.push_back(sample_of(dataset, user));
  result["samples"] = std::move(samples);
  return result;
}

std::vector<std::string> dropped_lines(const Json& dropped) {
  std::vector<std::string> lines;
  const auto add = [&](int64_t count, const std::string& why) {
    if (count > 0)
      lines.push_back(fmt::format("{} {} {}", grouped(count), plural(count, "row"), why));
  };
  add(dropped.value("no_user", int64_t{0}), "without a user");
  add(dropped.value("no_item", int64_t{0}), "without an item");
  for (const Json& one : dropped.value("where", Json::array())) {
    const auto condition = one.value("condition", "");
    add(one.value("interactions", int64_t{0}), "not " + condition);
    add(one.value("no_value", int64_t{0}), "without a value for " + condition);
  }
  const Json items = dropped.value("items", Json::object());
  add(items.value("interactions", int64_t{0}), "with an item of the list to drop");
  add(dropped.value("untitled", int64_t{0}), "with an item that has no title");
  return lines;
}

std::string describe_text(const Json& d) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, value);
  };
  const auto whole = [&](const char* key) { return grouped(d[key].get<int64_t>()); };
  const auto counted = [&](const char* key, std::string_view noun) {
    return fmt::format("{} {}", whole(key), plural(d[key].get<int64_t>(), noun));
  };
  line("data set", d["dataset"].get<std::string>());
  line("users", whole("num_users"));
  line("items", fmt::format("{} ({} with a title)", whole("num_items"), whole("titled_items")));
  line("interactions", fmt::format("{} ({:.4f} % of all pairs)", whole("num_interactions"),
                                   d["density"].get<double>() * 100));
  line("a user has",
       fmt::format("{:.2f} on average, median {:g}, {} to {}", d["mean_length"].get<double>(),
                   d["median_length"].get<double>(), whole("min_length"), whole("max_length")));
  if (d.contains("first_time")) {
    line("time", fmt::format("{} to {} UTC", d["first_time"].get<std::string>(),
                             d["last_time"].get<std::string>()));
    line("equal times", equal_times_text(d["equal_times"], d["num_interactions"].get<int64_t>()));
  } else {
    line("time", "none; the order is the source's");
  }
  if (d.contains("mean_rating")) {
    line("ratings",
         fmt::format("{}, mean {:.3f}", whole("ratings"), d["mean_rating"].get<double>()));
  } else {
    line("ratings", "none");
  }
  if (d.contains("min_user"))
    line("filters", fmt::format("at least {} a user and {} an item",
                                counted("min_user", "interaction"), whole("min_item")));
  for (const std::string& dropped : dropped_lines(d.value("dropped", Json::object())))
    line("left out", dropped);
  line("split", "the last interaction of a user is for test, the one before for validation");
  line("fingerprint", d["fingerprint"].get<std::string>());
  for (const Json& sample : d["samples"]) {
    const auto length = sample["interactions"].get<int64_t>();
    text += fmt::format("\nuser {} ({} {}), the latest last:\n", sample["user"].get<std::string>(),
                        length, plural(length, "interaction"));
    for (const Json& title : sample["last_titles"]) text += "  " + title.get<std::string>() + "\n";
  }
  return text;
}

}  // namespace tandem
