// SPDX-License-Identifier: Apache-2.0
// Time of one LRURec training step (forward, loss, backward, clipping, AdamW) on random batches of
// the two data sets' shapes. JSON on standard output. Arguments: threads [seconds].
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "core/clock.h"
#include "core/machine.h"
#include "core/rng.h"
#include "learn/lrurec/lrurec.h"
#include "learn/optim/adamw.h"

namespace tandem {
namespace {

struct Shape {
  const char* name;
  int64_t rows, min_length, max_length, items;
};

learn::PackedBatch random_batch(const Shape& shape, Rng& rng) {
  std::vector<int64_t> items, labels, starts = {0};
  for (int64_t row = 0; row < shape.rows; ++row) {
    const uint64_t spread = shape.max_length - shape.min_length + 1;
    const int64_t length = shape.min_length + static_cast<int64_t>(rng.below(spread));
    for (int64_t k = 0; k < length; ++k) {
      items.push_back(k == 0 ? 0 : labels.back());
      labels.push_back(1 + static_cast<int64_t>(rng.below(shape.items)));
    }
    starts.push_back(static_cast<int64_t>(items.size()));
  }
  return {at::tensor(items), at::tensor(labels), at::tensor(starts)};
}

void measure(const Shape& shape, double seconds) {
  Rng rng(1);
  const learn::LruRec model({.num_items = shape.items}, 1);
  learn::AdamW optimizer(model.parameters(), {},
                         [&](std::string_view name) { return model.decayed(name); });
  std::vector<double> times;
  int64_t positions = 0;
  std::clock_t cpu = 0;  // of all threads; the fair figure on a shared machine
  const Stopwatch all;
  for (uint64_t step = 0; step < 15 || all.seconds() < seconds; ++step) {
    const learn::PackedBatch batch = random_batch(shape, rng);
    const learn::DropoutRng dropout(1, step);
    const Stopwatch watch;
    const std::clock_t cpu_before = std::clock();
    optimizer.zero_gradients();
    learn::retriever_loss(model, batch, &dropout).backward();
    optimizer.clip_gradients(5.0);
    optimizer.step(1e-3);
    if (step < 5) continue;  // warming up
    times.push_back(watch.seconds());
    cpu += std::clock() - cpu_before;
    positions += batch.items.size(0);
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2], p95 = times[times.size() * 95 / 100];
  fmt::print(
      "{{\"shape\": \"{}\", \"rows\": {}, \"positions\": {:.0f}, \"items\": {}, \"threads\": {}, "
      "\"isa\": \"{}\", \"steps\": {}, \"median_ms\": {:.2f}, \"p95_ms\": {:.2f}, \"cpu_ms\": "
      "{:.2f}, "
      "\"samples_per_s\": {:.0f}}}\n",
      shape.name, shape.rows, double(positions) / double(times.size()), shape.items,
      at::get_num_threads(), describe_machine().instruction_set, times.size(), 1e3 * median,
      1e3 * p95, 1e3 * double(cpu) / CLOCKS_PER_SEC / double(times.size()),
      double(shape.rows) / median);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : tandem::describe_machine().processors);
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  tandem::measure({"llamarec-ml-100k", 16, 44, 200, 3650}, seconds);
  tandem::measure({"llamarec-beauty", 64, 3, 11, 12086}, seconds);
}
