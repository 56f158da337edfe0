// SPDX-License-Identifier: Apache-2.0
#include "formats/run_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class RunFolderTest : public ::testing::Test {
 protected:
  RunFolder create(bool overwrite = false) {
    return RunFolder::create({root_ / "run", kRunFolder, overwrite},
                             {.verb = "train retriever",
                              .seed = 42,
                              .dataset_fingerprint = "abc",
                              .inputs = {{"fold", 2}},
                              .extra = {{"dataset", "ml"}}},
                             "train.lr: 0.1\n");
  }
  int64_t entries(const fs::path& folder) {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  }

  const test::TemporaryFolder root_;
};

void fill_with(const fs::path& folder, const std::string& content) {
  write_file(folder / "a", content);
  write_file(folder / "b", content);
}

TEST_F(RunFolderTest, CreateWritesConfigAndInfo) {
  const RunFolder run = create();
  EXPECT_EQ(read_file(run.config_path()), "train.lr: 0.1\n");
  const Json info = run.info();
  EXPECT_EQ(info["seed"], 42);
  EXPECT_EQ(info["verb"], "train retriever");
  EXPECT_EQ(info["dataset_fingerprint"], "abc");
  EXPECT_EQ(info["dataset"], "ml");
  EXPECT_EQ(info["fold"], 2);
  EXPECT_FALSE(info["version"].get<std::string>().empty());
  EXPECT_FALSE(info["commit"].get<std::string>().empty());
  EXPECT_GT(info["host"]["processors"], 0);
  EXPECT_FALSE(run.state("last").has_value());
  EXPECT_EQ(entries(root_), 1) << "nothing but the run is left";
}

TEST_F(RunFolderTest, NeverReplacesWithoutBeingTold) {
  create().log(1, {{"loss", 1.0}});
  EXPECT_THROW(create(), IoError);
  EXPECT_EQ(RunFolder::open(root_ / "run").metrics().size(), 1u);
  EXPECT_TRUE(create(true).metrics().empty());

  write_file(root_ / "precious", "x");
  EXPECT_THROW(RunFolder::create({root_, kRunFolder, true}, {}, ""), IoError) << "not a run";
  EXPECT_TRUE(fs::exists(root_ / "precious"));
  EXPECT_THROW(RunFolder::open(root_), IoError);
  fs::create_directories(root_ / "empty");
  EXPECT_NO_THROW(RunFolder::create(root_ / "empty/", {}, ""));
}

TEST_F(RunFolderTest, MetricsAreCutToTheResumedStep) {
  RunFolder run = create();
  for (const int64_t step : {10, 20, 30, 40})
    run.log(step, {{"loss", 1.0 / static_cast<double>(step)}});
  run.log(25, {{"recall", std::numeric_limits<double>::quiet_NaN()}});
  const fs::path file = run.path() / "metrics.jsonl";
  write_file(file, read_file(file) + "{\"step\": 50, \"lo");  // what a crash leaves
  EXPECT_EQ(run.metrics().size(), 5u);
  run.resume_at(30);
  EXPECT_EQ(read_file(file),
            "{\"step\":10,\"loss\":0.1}\n{\"step\":20,\"loss\":0.05}\n"
            "{\"step\":30,\"loss\":0.03333333333333333}\n{\"step\":25,\"recall\":null}\n");
  EXPECT_EQ(run.info()["resumed"][0]["step"], 30);
  run.log(31, {{"loss", 0.5}});
  EXPECT_EQ(run.metrics().back().dump(), R"({"step":31,"loss":0.5})");
}

TEST_F(RunFolderTest, GoesOnWithOtherSettingsAndTellsThem) {
  create().log(1, {{"loss", 1.0}});
  const RunInfo info{.verb = "train retriever",
                     .seed = 42,
                     .dataset_fingerprint = "abc",
                     .inputs = {{"fold", 2}},
                     .extra = {{"dataset", "moved"}, {"threads", 3}}};
  RunFolder run = RunFolder::go_on(root_ / "run", RunLock(root_ / "run"), info,
                                   "train.lr: 0.1\nx: 2\n", {{"x", "1", "2"}});
  EXPECT_EQ(describe_changes(run.changed()), "x (1 -> 2), dataset (ml -> moved)");
  EXPECT_EQ(read_file(run.config_path()), "train.lr: 0.1\n") << "nothing has happened yet";
  run.resume_at(1);
  EXPECT_EQ(read_file(run.config_path()), "train.lr: 0.1\nx: 2\n");
  const Json entry = run.info()["resumed"].at(0);
  EXPECT_EQ(entry["changed"].dump(),
            R"({"x":{"from":"1","to":"2"},"dataset":{"from":"ml","to":"moved"}})");
  EXPECT_EQ(run.info()["dataset"], "ml") << "run.json says how the run began";
}

TEST_F(RunFolderTest, GoesOnWithNoOtherInputs) {
  create();
  const RunInfo same{.verb = "train retriever",
                     .seed = 42,
                     .dataset_fingerprint = "abc",
                     .inputs = {{"fold", 2}},
                     .extra = {{"dataset", "other"}}};
  const auto refusal = [&](const std::function<void(RunInfo&)>& change) -> std::string {
    RunInfo info = same;
    change(info);
    try {
      RunFolder::go_on(root_ / "run", RunLock(root_ / "run"), info, "", {});
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](RunInfo&) {}), "");
  EXPECT_EQ(refusal([](RunInfo& info) { info.seed = 43; }),
            (root_ / "run").string() +
                ": --resume cannot change seed (42 -> 43): what is done so far depends on it; what "
                "else differs: dataset (ml -> other). Give what the run began with, or train anew "
                "into another --output");
  EXPECT_NE(refusal([](RunInfo& info) { info.verb = "pretrain"; }).find("verb (train retriever ->"),
            std::string::npos);
  EXPECT_NE(refusal([](RunInfo& info) { info.dataset_fingerprint = "abd"; }).find("(abc -> abd)"),
            std::string::npos);
  EXPECT_NE(refusal([](RunInfo& info) { info.inputs["fold"] = 1; }).find("fold (2 -> 1)"),
            std::string::npos);
  EXPECT_EQ(refusal([](RunInfo& info) { info.inputs["later"] = 1; }), "") << "not known then";
}

TEST_F(RunFolderTest, StatesReplaceEachOtherByKind) {
  RunFolder run = create();
  run.save_state("best", [](const fs::path& path) { fill_with(path, "best"); });
  for (int i = 1; i <= 11; ++i)
    run.save_state("last", [&](const fs::path& path) { fill_with(path, std::to_string(i)); });
  EXPECT_EQ(read_file(*run.state("last") / "a"), "11");
  EXPECT_EQ(read_file(*run.state("best") / "b"), "best");
  EXPECT_EQ(entries(run.path() / "state"), 2);

  EXPECT_THROW(run.save_state("last",
                              [](const fs::path& path) {
                                write_file(path / "a", "half");
                                throw IoError("disk full");
                              }),
               IoError);
  EXPECT_EQ(read_file(*run.state("last") / "a"), "11");
  EXPECT_EQ(entries(run.path() / "state"), 2);
}

TEST_F(RunFolderTest, UnfinishedNamesAreNotStates) {
  RunFolder run = create();
  for (const char* name : {"last-3.writing", "last-9.removing", "last-", "last-x", "last--1",
                           "last-99999999999999999999"})
    fs::create_directories(run.path() / "state" / name);
  EXPECT_FALSE(run.state("last").has_value());
  run.save_state("last", [](const fs::path& path) { fill_with(path, "1"); });
  EXPECT_EQ(run.state("last")->filename(), "last-1");
  EXPECT_EQ(entries(run.path() / "state"), 1);
}

// A writer killed at any moment leaves a whole last state, never older than one it had finished.
TEST_F(RunFolderTest, SigkillLeavesAWholeState) {
  RunFolder run = create();
  run.save_state("last", [](const fs::path& path) { fill_with(path, "0"); });
  Rng rng(3);
  int64_t before = 0;
  for (int trial = 0; trial < 25; ++trial) {
    int finished[2];  // the child writes a byte after each save
    ASSERT_EQ(::pipe(finished), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t i = before + 1;; ++i) {
        run.save_state("last", [&](const fs::path& path) { fill_with(path, std::to_string(i)); });
        if (::write(finished[1], "x", 1) != 1) ::_exit(1);
      }
    }
    ::close(finished[1]);
    const auto saves = static_cast<int64_t>(rng.below(3));
    char byte = 0;
    for (int64_t i = 0; i < saves; ++i) ASSERT_EQ(::read(finished[0], &byte, 1), 1);
    ::usleep(static_cast<useconds_t>(rng.below(5000)));  // anywhere in the next ones
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    ::close(finished[0]);

    const auto state = RunFolder::open(run.path()).state("last");
    ASSERT_TRUE(state.has_value());
    const std::string content = read_file(*state / "a");
    EXPECT_EQ(content, read_file(*state / "b"));
    EXPECT_GE(std::stoll(content), before + saves);
    before = std::stoll(content);
  }
}

}  // namespace
}  // namespace tandem
