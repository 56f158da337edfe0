// SPDX-License-Identifier: Apache-2.0
// Every retriever's scores against plain loops.
#include <gtest/gtest.h>

#include "engine/retriever.h"
#include "support/random_retriever.h"
#include "support/retriever_reference.h"

namespace tandem::engine {
namespace {

TEST(RetrieverReference, ScoresOfHistoriesOfEveryLength) {
  for (const char* type : {"lrurec", "sasrec", "narm", "bert4rec", "hstu"}) {
    SCOPED_TRACE(type);
    const RetrieverModelConfig config = test::small_retriever(type);
    const test::TemporaryFolder folder;
    test::write_random_run(folder.path(), config, 13);
    test::RetrieverReference reference{type, 50, 12, 2, 3, 10, {}};
    const RetrieverWeights weights = RetrieverWeights::open(folder.path());
    for (const TensorSpec& spec : retriever_parameters(config)) {
      const auto values = weights.values(spec.name);
      reference.weights[spec.name].assign(values.begin(), values.end());
    }
    const auto retriever = load_retriever(folder.path());

    Rng rng(10);
    std::vector<std::vector<int32_t>> rows{{}};
    for (const int64_t length : {1, 2, 7, 9, 10, 14})
      rows.push_back(test::random_history(length, 50, rng));
    const std::vector<History> histories(rows.begin(), rows.end());
    ThreadPool pool(2);
    const std::vector<float> hidden = retriever->hidden(histories, pool);
    ScoreProblem problem = retriever->score_problem(hidden.data(), std::ssize(rows), {});
    problem.exclude_padding = false;
    const std::vector<float> found = score_all(problem, pool);
    ASSERT_EQ(found.size(), rows.size() * 51);
    for (size_t r = 0; r < rows.size(); ++r) {
      // The newest ten; BERT4Rec's tenth is the mask, item 51. A new user is the padding item
      // alone.
      const bool masked = reference.type == "bert4rec";
      const size_t shown = std::min<size_t>(rows[r].size(), masked ? 9 : 10);
      std::vector<int64_t> inputs(rows[r].end() - static_cast<int64_t>(shown), rows[r].end());
      if (masked) inputs.push_back(51);
      if (inputs.empty()) inputs.push_back(0);
      const auto wanted = reference.scores(inputs);
      for (size_t item = 0; item <= 50; ++item)
        EXPECT_NEAR(found[r * 51 + item], wanted[item], 2e-5) << rows[r].size() << ", " << item;
    }
  }
}

}  // namespace
}  // namespace tandem::engine
