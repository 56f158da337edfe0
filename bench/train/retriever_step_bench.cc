// SPDX-License-Identifier: Apache-2.0
// Time of one training step of a retriever (forward, loss, backward, clipping, AdamW) on random
// batches of the two data sets' shapes. JSON on standard output.
//
//     retriever_step_bench [THREADS [SECONDS [lrurec|sasrec|bert4rec]]]
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/machine.h"
#include "core/rng.h"
#include "learn/bert4rec/bert4rec.h"
#include "learn/lrurec/lrurec.h"
#include "learn/optim/adamw.h"
#include "learn/sasrec/sasrec.h"

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

std::unique_ptr<learn::Retriever> make_model(std::string_view family, const Shape& shape) {
  if (family == "lrurec")
    return std::make_unique<learn::LruRec>(learn::LruRecConfig{.num_items = shape.items}, 1);
  const learn::TransformerConfig config{.num_items = shape.items, .max_length = shape.max_length};
  if (family == "sasrec") return std::make_unique<learn::SasRec>(config, 1);
  return std::make_unique<learn::Bert4Rec>(config, 1);
}

void measure(std::string_view family, const Shape& shape, double seconds) {
  Rng rng(1);
  const std::unique_ptr<learn::Retriever> model = make_model(family, shape);
  learn::AdamW optimizer(model->parameters(), {},
                         [&](std::string_view name) { return model->decayed(name); });
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
    learn::retriever_loss(*model, batch, &dropout).backward();
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
      "{{\"model\": \"{}\", \"shape\": \"{}\", \"rows\": {}, \"positions\": {:.0f}, \"items\": {}, "
      "\"threads\": {}, "
      "\"isa\": \"{}\", \"steps\": {}, \"median_ms\": {:.2f}, \"p95_ms\": {:.2f}, \"cpu_ms\": "
      "{:.2f}, "
      "\"samples_per_s\": {:.0f}}}\n",
      family, shape.name, shape.rows, double(positions) / double(times.size()), shape.items,
      at::get_num_threads(), describe_machine().instruction_set, times.size(), 1e3 * median,
      1e3 * p95, 1e3 * double(cpu) / CLOCKS_PER_SEC / double(times.size()),
      double(shape.rows) / median);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : tandem::describe_machine().processors);
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  const std::string family = argc > 3 ? argv[3] : "lrurec";
  tandem::measure(family, {"llamarec-ml-100k", 16, 44, 200, 3650}, seconds);
  tandem::measure(family, {"llamarec-beauty", 64, 3, 11, 12086}, seconds);
}
