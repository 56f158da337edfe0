// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/key_ranges.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/error.h"

namespace tandem::learn {
namespace {

const int64_t* integers(const at::Tensor& x) { return x.const_data_ptr<int64_t>(); }

at::Tensor checked(const char* what, const at::Tensor& x, int64_t least) {
  if (x.dim() != 1 || x.scalar_type() != at::kLong || x.numel() < least)
    throw ShapeError("key ranges: {} must be a vector of at least {} int64", what, least);
  return x.cpu().contiguous();
}

// range(row, position) -> [begin, end), positions counted from the row's start, as is the result.
template <typename Range>
KeyRanges make_ranges(const at::Tensor& row_starts, const at::Tensor& wanted, const Range& range) {
  KeyRanges ranges;
  ranges.row_starts = checked("row_starts", row_starts, 1);
  const int64_t* starts = integers(ranges.row_starts);
  const int64_t rows = ranges.row_starts.numel() - 1, positions = starts[rows];
  const at::Tensor asking = wanted.defined() ? checked("wanted", wanted, 0) : at::Tensor();
  const int64_t* asked = asking.defined() ? integers(asking) : nullptr;
  const int64_t queries = asked ? asking.numel() : positions;
  if (starts[0] != 0) throw ShapeError("key ranges: the first row starts at {}", starts[0]);

  ranges.query_starts = at::empty({rows + 1}, at::kLong);
  ranges.begin = at::empty({queries}, at::kLong);
  ranges.end = at::empty({queries}, at::kLong);
  int64_t *query_starts = ranges.query_starts.data_ptr<int64_t>(),
          *begin = ranges.begin.data_ptr<int64_t>(), *end = ranges.end.data_ptr<int64_t>();
  int64_t query = 0;
  query_starts[0] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    if (starts[row] > starts[row + 1] || starts[row + 1] > positions)
      throw ShapeError("key ranges: row {} is {} to {} of {} positions", row, starts[row],
                       starts[row + 1], positions);
    int64_t least = starts[row];  // of the next wanted position
    for (; query < queries; ++query) {
      const int64_t position = asked ? asked[query] : query;
      if (position >= starts[row + 1]) break;
      if (position < least)
        throw ShapeError("key ranges: wanted[{}] = {}, expected ascending ones below {}", query,
                         position, positions);
      least = position + 1;
      const auto [first, last] = range(row, position - starts[row]);
      begin[query] = starts[row] + first;
      end[query] = starts[row] + last;
    }
    query_starts[row + 1] = query;
  }
  if (query != queries)
    throw ShapeError("key ranges: wanted[{}] = {}, expected ascending ones below {}", query,
                     asked[query], positions);
  return ranges;
}

struct Interval {
  int64_t begin, end;
};

}  // namespace

int64_t KeyRanges::num_keys() const { return integers(row_starts)[row_starts.numel() - 1]; }

int64_t KeyRanges::longest_row() const {
  const int64_t* starts = integers(row_starts);
  int64_t longest = 0;
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row)
    longest = std::max(longest, starts[row + 1] - starts[row]);
  return longest;
}

KeyRanges causal_ranges(const at::Tensor& row_starts, const at::Tensor& wanted, int64_t window) {
  if (window < 0) throw ShapeError("key ranges: a window of {}", window);
  return make_ranges(row_starts, wanted, [&](int64_t, int64_t position) {
    const int64_t begin = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
    return Interval{begin, position + 1};
  });
}

KeyRanges row_ranges(const at::Tensor& row_starts, const at::Tensor& wanted) {
  const at::Tensor kept = checked("row_starts", row_starts, 1);
  return make_ranges(kept, wanted, [starts = integers(kept)](int64_t row, int64_t) {
    return Interval{0, starts[row + 1] - starts[row]};
  });
}

KeyRanges prefix_ranges(const at::Tensor& row_starts, const at::Tensor& prefix_lengths,
                        const at::Tensor& wanted) {
  const at::Tensor kept = checked("row_starts", row_starts, 1);
  const at::Tensor prefixes =
      checked("prefix_lengths", prefix_lengths, std::max<int64_t>(0, kept.numel() - 1));
  const int64_t *starts = integers(kept), *prefix = integers(prefixes);
  return make_ranges(kept, wanted, [=](int64_t row, int64_t position) {
    if (prefix[row] < 0 || prefix[row] > starts[row + 1] - starts[row])
      throw ShapeError("key ranges: row {} of {} positions has a prefix of {}", row,
                       starts[row + 1] - starts[row], prefix[row]);
    return Interval{0, std::max(prefix[row], position + 1)};
  });
}

}  // namespace tandem::learn
