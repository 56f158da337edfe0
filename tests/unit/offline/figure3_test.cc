// SPDX-License-Identifier: Apache-2.0
#include "offline/figure3.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "models/llama_init.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

TEST(Figure3, MeasuresEveryTitleLengthWithinTheModelsPositions) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  LlamaConfig config = llama_preset("tiny");
  config.num_layers = 1;
  write_random_llama(config, {}, folder / "model", pool);
  const engine::Llama model(folder / "model");
  Figure3Options options{.title_tokens = {1, 3}, .history = 2, .candidates = 4, .repeats = 2};
  EXPECT_EQ(figure3_positions(options), 60 + 6 * 9 + 4 * 6);
  const auto rows = measure_figure3(model, options, pool);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].prompt_tokens, 60 + 6 * 7);
  EXPECT_EQ(rows[1].written_tokens, 4 * 6);
  for (const Figure3Row& row : rows) {
    EXPECT_GT(row.verbalizer_seconds, 0);
    EXPECT_GT(row.generation_seconds, 0);
  }
  options.title_tokens = {1000};
  EXPECT_THROW(measure_figure3(model, options, pool), ConfigError);  // too few positions
  options.title_tokens = {};
  EXPECT_THROW(measure_figure3(model, options, pool), UsageError);
  EXPECT_THROW((Figure3Options{.candidates = 53}.validate()), UsageError);
}

}  // namespace
}  // namespace tandem
