// SPDX-License-Identifier: Apache-2.0
#include "oracle/report.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(OracleReport, PassesOnTheLimitAndFailsAboveIt) {
  OracleReport report(false, true);
  report.error("at", 1e-5, 1e-5);
  EXPECT_EQ(report.failed(), 0);
  report.error("above", 1.1e-5, 1e-5);
  EXPECT_EQ(report.failed(), 1);
}

TEST(OracleReport, NotANumberFails) {
  OracleReport report(false, true);
  report.error("nan", kNaN, 1.0);
  report.error("infinite", std::numeric_limits<double>::infinity(),
               std::numeric_limits<double>::infinity());
  EXPECT_EQ(report.failed(), 2);
}

TEST(OracleReport, CountsAll) {
  OracleReport report(false, true);
  report.equal("a", true);
  report.equal("b", false, "3 of 4");
  report.skip("c", "not stored");
  EXPECT_EQ(report.summary(), "1 passed, 1 failed, 1 skipped");
}

TEST(OracleDifference, TakesTheLargestAndKeepsNaN) {
  const std::vector<float> value = {1.0F, 2.0F, -4.5F};
  const std::vector<double> wanted = {1.0, 2.25, -4.0};
  EXPECT_DOUBLE_EQ(max_abs_difference(value, wanted), 0.5);
  EXPECT_DOUBLE_EQ(relative_to_max(value, wanted), 0.125);
  EXPECT_TRUE(std::isnan(max_abs_difference(std::vector<double>{1.0, kNaN, 3.0}, wanted)));
  EXPECT_THROW(max_abs_difference(std::vector<float>{1.0F}, wanted), ShapeError);
}

TEST(OracleDifference, ZeroReferenceIsComparedAbsolutely) {
  EXPECT_DOUBLE_EQ(relative_to_max(std::vector<float>{0.5F}, std::vector<float>{0.0F}), 0.5);
}

TEST(OracleName, TakesVariantsButNotNeighbours) {
  EXPECT_EQ(oracle_of_name("lrurec"), "lrurec");
  EXPECT_EQ(oracle_of_name("lrurec-seed9"), "lrurec");
  EXPECT_EQ(oracle_of_name("lrurec-runs"), "lrurec-runs");
  EXPECT_EQ(oracle_of_name("lrurec2"), "");
  EXPECT_EQ(oracle_of_name("metrics_seed3"), "metrics");
  EXPECT_EQ(oracle_of_name("old-metrics"), "");
}

void throwing_check(const fs::path&, OracleReport&) { throw DataError("broken"); }
const OracleChecker throwing_checker("throwing", "engine", throwing_check);

TEST(OracleFolders, AreFoundBelowAndAtTheRootAndAnExceptionFails) {
  const test::TemporaryFolder root;
  fs::create_directories(root / "a" / "throwing-1" / "throwing");
  fs::create_directories(root / "b" / "throwing");
  fs::create_directories(root / "other");
  EXPECT_EQ(find_oracles(root),
            (std::vector<fs::path>{root / "a" / "throwing-1", root / "b" / "throwing"}));
  EXPECT_EQ(find_oracles(root / "b" / "throwing"),
            (std::vector<fs::path>{root / "b" / "throwing"}));
  EXPECT_EQ(find_oracles(root / "b" / "throwing" / ""),
            (std::vector<fs::path>{root / "b" / "throwing"}));
  OracleReport report(false, true);
  check_oracle(root / "b" / "throwing", report);
  EXPECT_EQ(report.failed(), 1);
}

}  // namespace
}  // namespace tandem
