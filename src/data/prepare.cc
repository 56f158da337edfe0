// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <numeric>
#include <type_traits>

#include "core/error.h"
#include "data/dataset_files.h"
#include "data/raw_log.h"

namespace tandem {
namespace {

// Rows of the log that stay, renumbered: dense[i] is the rank of id i among those that occur, or
// -1.
struct Ranking {
  std::vector<int32_t> rank;           // [all ids]
  std::vector<std::string_view> kept;  // [ids that occur], in order
  std::vector<int32_t> source;         // [ids that occur], index into all ids
  IdOrder order = IdOrder::kBytes;
};

Ranking rank_ids(const IdTable& table, const std::vector<int64_t>& degree) {
  std::vector<int32_t> present;
  std::vector<std::string_view> ids;
  for (int32_t i = 0; i < table.size(); ++i) {
    if (degree[i] == 0) continue;
    present.push_back(i);
    ids.push_back(table[i]);
  }
  Ranking result;
  result.order = id_order(ids);
  result.rank.assign(table.size(), -1);
  for (const int32_t index : sort_ids(ids, result.order)) {
    const int32_t source = present[index];
    result.rank[source] = static_cast<int32_t>(result.kept.size());
    result.kept.push_back(ids[index]);
    result.source.push_back(source);
  }
  return result;
}

struct Row {
  int64_t time;
  int32_t item;
  float rating;

  bool before(const Row& other) const { return time < other.time; }
};
// Where a time has a fraction.
struct FineRow : Row {
  uint64_t fraction;

  bool before(const FineRow& other) const {
    return time != other.time ? time < other.time : fraction < other.fraction;
  }
};

// Orders one user's rows, which are in file order, and writes them to the columns at `first`.
template <typename R>
void order_rows(std::span<R> rows, EqualTimes ties, size_t first, DenseLog& log) {
  const auto by_time = [](const R& a, const R& b) { return a.before(b); };
  const auto by_item = [](const R& a, const R& b) {
    return a.before(b) || (!b.before(a) && a.item < b.item);
  };
  if (ties == EqualTimes::kItem) {
    std::stable_sort(rows.begin(), rows.end(), by_item);
  } else if (!std::is_sorted(rows.begin(), rows.end(), by_time)) {
    std::stable_sort(rows.begin(), rows.end(), by_time);
  }
  for (const R& row : rows) {
    log.timestamps[first] = row.time;
    log.items[first] = row.item + 1;
    log.ratings[first++] = row.rating;
  }
}

// Writes the rows that stay to the columns, by user and in order. Frees the log's columns.
template <typename R>
void fill_rows(InteractionLog& log, const std::vector<bool>& keep, const Ranking& users,
               const Ranking& items, EqualTimes ties, DenseLog& dense, PrepareReport& report) {
  const size_t num_rows = dense.offsets.back();
  std::vector<R> rows(num_rows);
  std::vector<uint64_t> next(dense.offsets.begin(), dense.offsets.end() - 1);
  for (size_t row = 0; row < log.user.size(); ++row) {
    if (!keep[row]) continue;
    R& target = rows[next[users.rank[log.user[row]]]++];
    target.time = log.time.whole[row];
    target.item = items.rank[log.item[row]];
    target.rating = log.rating[row];
    if constexpr (std::is_same_v<R, FineRow>) target.fraction = log.time.fraction[row];
  }
  log.user = {};
  log.item = {};
  log.time = {};
  log.rating = {};
  dense.timestamps.resize(num_rows);
  dense.items.resize(num_rows);
  dense.ratings.resize(num_rows);
  for (size_t u = 0; u + 1 < dense.offsets.size(); ++u) {
    const size_t first = dense.offsets[u];
    const std::span<R> own = std::span(rows).subspan(first, dense.offsets[u + 1] - first);
    order_rows(own, ties, first, dense);
    report.equal_times.add_user(own.size(), [&](size_t i) { return !own[i].before(own[i + 1]); });
  }
}

// Rows that stay after drop_items and drop_untitled; counts those that do not. Empty: all stay.
std::vector<bool> rows_wanted(const InteractionLog& log, const PrepareOptions& options,
                              const std::function<bool(int32_t)>& titled, PrepareReport& report) {
  std::vector<bool> keep;
  if (options.drop_items.empty() && !options.drop_untitled) return keep;
  std::vector<bool> listed(log.items.size());
  for (const std::string& id : options.drop_items) {
    if (const auto item = log.items.find(id)) {
      listed[*item] = true;
    } else {
      report.unknown_drop_items.push_back(id);
    }
  }
  keep.reserve(log.item.size());
  for (const int32_t item : log.item) {
    const bool in_list = listed[item],
               no_title = !in_list && options.drop_untitled && !titled(item);
    report.listed_interactions += in_list;
    report.untitled_interactions += no_title;
    keep.push_back(!in_list && !no_title);
  }
  return keep;
}

Json about_options(const PrepareOptions& options, const PrepareReport& report) {
  return {{"raw",
           {{"users", report.raw_users},
            {"items", report.raw_items},
            {"interactions", report.raw_interactions}}},
          {"titled_items", report.titled_items},
          {"min_user", options.min_user},
          {"min_item", options.min_item},
          {"drop_untitled", options.drop_untitled},
          {"dropped",
           {{"items",
             {{"ids", options.drop_items.size()},
              {"unknown_ids", report.unknown_drop_items.size()},
              {"interactions", report.listed_interactions}}},
            {"untitled", report.untitled_interactions}}},
          {"ties", options.ties == EqualTimes::kFile ? "file" : "item"},
          {"split", "leave-one-out"}};
}

}  // namespace

void ItemCatalogue::add(RawItem item) {
  const auto at = static_cast<size_t>(ids.add(item.id));
  if (at == items.size()) return items.push_back(std::move(item));
  RawItem& first = items[at];
  if (!first.title.empty() || item.title.empty()) return;
  first.title = std::move(item.title);
  for (auto& field : item.fields) {
    const bool known = std::any_of(first.fields.begin(), first.fields.end(),
                                   [&](const auto& old) { return old.first == field.first; });
    if (!known) first.fields.push_back(std::move(field));
  }
}

std::vector<bool> k_core(const std::vector<int32_t>& user, const std::vector<int32_t>& item,
                         const std::vector<bool>& keep, int64_t num_users, int64_t num_items,
                         int64_t min_user, int64_t min_item) {
  std::vector<int64_t> user_degree(num_users), item_degree(static_cast<size_t>(num_items));
  // Rows still in play, so that later rounds cost only what is left.
  std::vector<bool> result(user.size(), false);
  std::vector<uint32_t> rows;
  if (user.size() > UINT32_MAX)
    throw DataError("{} interactions, at most 2^32 are supported", user.size());
  rows.reserve(user.size());
  for (size_t row = 0; row < user.size(); ++row) {
    if (!keep.empty() && !keep[row]) continue;
    rows.push_back(static_cast<uint32_t>(row));
    ++user_degree[user[row]];
    ++item_degree[item[row]];
  }
  for (bool changed = min_user > 1 || min_item > 1; changed;) {
    // The degrees of this round; rows dropped lower those of the next.
    const size_t before = rows.size();
    const auto weak = [&](uint32_t row) {
      int64_t& u = user_degree[user[row]];
      int64_t& i = item_degree[item[row]];
      if (u >= min_user && i >= min_item) return false;
      --u;
      --i;
      return true;
    };
    rows.erase(std::remove_if(rows.begin(), rows.end(), weak), rows.end());
    changed = rows.size() != before;
  }
  for (const uint32_t row : rows) result[row] = true;
  return result;
}

PrepareReport write_dataset(const Output& output, InteractionLog log, const ItemCatalogue& items,
                            const PrepareOptions& options, const Json& about) {
  StagedFolder staged(output);
  PrepareReport report;
  report.raw_users = log.users.size();
  report.raw_items = log.items.size();
  report.raw_interactions = static_cast<int64_t>(log.user.size());

  std::vector<const RawItem*> text(static_cast<size_t>(log.items.size()), nullptr);
  for (int32_t i = 0; i < log.items.size(); ++i) {
    if (const auto entry = items.ids.find(log.items[i])) text[i] = &items.items[*entry];
  }
  const auto titled = [&](int32_t item) {
    const RawItem* entry = text[item];
    return entry && !entry->title.empty();
  };
  std::vector<bool> keep = rows_wanted(log, options, titled, report);
  keep = k_core(log.user, log.item, keep, log.users.size(), log.items.size(), options.min_user,
                options.min_item);

  std::vector<int64_t> user_degree(log.users.size()),
      item_degree(static_cast<size_t>(log.items.size()));
  for (size_t row = 0; row < log.user.size(); ++row) {
    if (!keep[row]) continue;
    ++user_degree[log.user[row]];
    ++item_degree[log.item[row]];
  }
  const Ranking users = rank_ids(log.users, user_degree), ranked = rank_ids(log.items, item_degree);
  if (users.kept.empty())
    throw DataError(
        "{}: no interaction is left of {} ({} users, {} items) with min-user {}, min-item {}{}{}",
        output.path().string(), report.raw_interactions, report.raw_users, report.raw_items,
        options.min_user, options.min_item,
        options.drop_items.empty()
            ? ""
            : fmt::format(", {} rows of listed items dropped", report.listed_interactions),
        options.drop_untitled
            ? fmt::format(", {} of untitled items dropped", report.untitled_interactions)
            : "");

  DenseLog dense;
  dense.user_ids = users.kept;
  dense.item_ids = ranked.kept;
  dense.user_order = users.order;
  dense.item_order = ranked.order;
  bool any_fields = false;
  for (const int32_t source : ranked.source) {
    const RawItem* entry = text[source];
    dense.titles.push_back(entry ? std::string_view(entry->title) : std::string_view());
    report.titled_items += titled(source);
    any_fields |= entry && !entry->fields.empty();
  }
  if (any_fields) {
    for (const int32_t source : ranked.source) {
      Json fields = Json::object();
      if (const RawItem* entry = text[source]) {
        auto sorted =
            entry->fields;  // by name, so that the bytes do not depend on the source's order
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        for (const auto& [name, value] : sorted) {
          if (!value.empty()) fields[name] = value;
        }
      }
      dense.item_fields.push_back(std::move(fields));
    }
  }

  // Counting sort by user keeps the file's order within a user.
  dense.offsets.assign(users.kept.size() + 1, 0);
  for (size_t u = 0; u < users.kept.size(); ++u)
    dense.offsets[u + 1] = dense.offsets[u] + static_cast<uint64_t>(user_degree[users.source[u]]);
  const size_t num_rows = dense.offsets.back();
  if (log.time.fraction.empty()) {
    fill_rows<Row>(log, keep, users, ranked, options.ties, dense, report);
  } else {
    fill_rows<FineRow>(log, keep, users, ranked, options.ties, dense, report);
  }

  report.num_users = static_cast<int64_t>(users.kept.size());
  report.num_items = static_cast<int64_t>(ranked.kept.size());
  report.num_interactions = static_cast<int64_t>(num_rows);
  Json all = about_options(options, report);
  if (about.contains("time_unit") && !about["time_unit"].is_null())
    all["equal_times"] = report.equal_times.to_json();
  all.update(about, true);
  report.dropped = all["dropped"];
  report.fingerprint = write_dataset_files(staged.path(), dense, all);
  staged.commit();
  return report;
}

PrepareReport write_dataset(const Output& output, const RawLog& raw,
                            const PrepareOptions& options) {
  InteractionLog log;
  for (const RawInteraction& row : raw.interactions)
    log.add(log.users.add(row.user), log.items.add(row.item), {.whole = row.timestamp}, row.rating);
  ItemCatalogue items;
  for (const RawItem& item : raw.items) items.add(item);
  return write_dataset(output, std::move(log), items, options, Json::object());
}

}  // namespace tandem
