// SPDX-License-Identifier: Apache-2.0
#include "data/row_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/error.h"

namespace tandem {
namespace {

constexpr size_t kPartBytes = size_t{4} << 20;

struct Worker {
  IdTable users, items;
  LineParser parse;
};

// A run of whole lines and what came of it.
struct Part {
  std::string_view text;
  int worker = 0;
  std::optional<RowSink> rows;
  int64_t lines = 0;                             // read before it stopped
  std::vector<std::pair<int64_t, BadLine>> bad;  // (line of the part from 1, why)
};

std::vector<Part> cut(std::string_view block) {
  std::vector<Part> parts;
  while (!block.empty()) {
    size_t size = std::min(kPartBytes, block.size());
    const size_t line_end = block.find('\n', size - 1);
    size = line_end == std::string_view::npos ? block.size() : line_end + 1;
    parts.emplace_back().text = block.substr(0, size);
    block.remove_prefix(size);
  }
  return parts;
}

void parse_part(Part& part, Worker& worker, bool skip_bad_lines) {
  part.rows.emplace(worker.users, worker.items);
  const bool utf8 = valid_utf8(part.text);
  const char* at = part.text.data();
  const char* const end = at + part.text.size();
  while (at < end) {
    const void* found = std::memchr(at, '\n', static_cast<size_t>(end - at));
    const char* const line_end = found ? static_cast<const char*>(found) : end;
    std::string_view line(at, static_cast<size_t>(line_end - at));
    at = line_end + 1;
    ++part.lines;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    try {
      if (!utf8) check_utf8(line);
      part.rows->dropped.at(part.lines, line);
      worker.parse(line, *part.rows);
    } catch (const BadLine& bad) {
      part.bad.emplace_back(part.lines, bad);
      if (!skip_bad_lines) return;
    }
  }
}

template <typename T>
void release(std::vector<T>& column) {
  std::vector<T>().swap(column);
}

}  // namespace

void ReadContext::bad_line(std::string_view file, int64_t line, const BadLine& bad) {
  if (!skip_bad_lines)
    throw FormatError("{}:{}: found {}, expected {}", file, line, bad.found, bad.expected);
  ++skipped_lines;
}

int64_t read_rows(TextSource& source, const std::function<LineParser()>& make_parser,
                  InteractionLog& log, ReadContext& context) {
  ThreadPool& pool = *context.pool;
  std::vector<Worker> workers(pool.size());
  for (Worker& worker : workers) worker.parse = make_parser();

  std::vector<Part> parts;
  int64_t line = source.line();
  for (std::string_view block; source.next(block);) {
    std::vector<Part> fresh = cut(block);
    pool.parallel_for(static_cast<int64_t>(fresh.size()), [&](int64_t index, int thread) {
      Part& part = fresh[index];
      part.worker = thread;
      parse_part(part, workers[thread], context.skip_bad_lines);
    });
    for (Part& part : fresh) {
      for (const auto& [offset, bad] : part.bad)
        context.bad_line(source.name(), line + offset, bad);
      part.bad.clear();
      context.dropped.append(part.rows->dropped, source.name(), line);
      line += part.lines;
      parts.push_back(std::move(part));
    }
  }

  // The workers' tables join into the log's. Their numbering depends on the threads; dense indices
  // come from sorted ids later, so nothing of it remains.
  std::vector<std::vector<int32_t>> users(workers.size()), items(workers.size());
  for (size_t w = 0; w < workers.size(); ++w) {
    for (const std::string_view id : workers[w].users.ids()) users[w].push_back(log.users.add(id));
    for (const std::string_view id : workers[w].items.ids()) items[w].push_back(log.items.add(id));
    workers[w] = Worker();
  }
  std::vector<size_t> first;
  size_t total = log.user.size();
  int64_t dates = 0;
  bool fractions = !log.time.fraction.empty();
  for (const Part& part : parts) {
    first.push_back(total);
    total += part.rows->user.size();
    dates += part.rows->dates;
    fractions |= !part.rows->time.fraction.empty();
  }
  log.user.resize(total);
  log.item.resize(total);
  log.time.whole.resize(total);
  if (fractions) log.time.fraction.resize(total);
  log.rating.resize(total);
  pool.parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t index, int) {
    Part& part = parts[index];
    RowSink& rows = *part.rows;
    const auto worker = static_cast<size_t>(part.worker);
    const auto at = static_cast<int64_t>(first[index]);
    for (int32_t& user : rows.user) user = users[worker][user];
    for (int32_t& item : rows.item) item = items[worker][item];
    std::copy(rows.user.begin(), rows.user.end(), log.user.begin() + at);
    std::copy(rows.item.begin(), rows.item.end(), log.item.begin() + at);
    std::copy(rows.time.whole.begin(), rows.time.whole.end(), log.time.whole.begin() + at);
    if (!rows.time.fraction.empty())  // else the log's may be empty, too
      std::copy(rows.time.fraction.begin(), rows.time.fraction.end(),
                log.time.fraction.begin() + at);
    std::copy(rows.rating.begin(), rows.rating.end(), log.rating.begin() + at);
    release(rows.user);
    release(rows.item);
    release(rows.time.whole);
    release(rows.time.fraction);
    release(rows.rating);
  });
  return dates;
}

void each_line(TextSource& source, ReadContext& context,
               const std::function<void(std::string_view line)>& read) {
  int64_t number = source.line();
  for (std::string_view block; source.next(block);) {
    while (!block.empty()) {
      const std::string_view line = cut_line(block);
      ++number;
      if (line.empty()) continue;
      try {
        check_utf8(line);
        read(line);
      } catch (const BadLine& bad) {
        context.bad_line(source.name(), number, bad);
      }
    }
  }
}

}  // namespace tandem
