// SPDX-License-Identifier: Apache-2.0
#include "core/config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

struct Sample {
  std::string optimizer = "adamw", note = "";
  int64_t epochs = 3;
  double lr = 1e-3;
  bool shuffle = true;

  ConfigSchema schema() {
    ConfigSchema schema;
    schema.add("train.optimizer", &optimizer, "optimizer", {"adamw", "sgd"});
    schema.add("train.note", &note, "free text");
    schema.add("train.epochs", &epochs, "passes over the data");
    schema.add("train.lr", &lr, "learning rate");
    schema.add("data.shuffle", &shuffle, "shuffle every epoch");
    return schema;
  }
};

class Config : public ::testing::Test {
 protected:
  std::string yaml_error(const std::string& text) {
    write_file(path_, text);
    Sample sample;
    return error([&](ConfigSchema& schema) { schema.load_yaml(path_); });
  }
  std::string set_error(const std::string& text) {
    return error([&](ConfigSchema& schema) { schema.set(text); });
  }
  template <typename Action>
  std::string error(const Action& action) {
    Sample sample;
    ConfigSchema schema = sample.schema();
    try {
      action(schema);
      return "";
    } catch (const ConfigError& error) {
      return error.what();
    }
  }

  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "x.yaml";
};

TEST_F(Config, YamlThenSetOverrideDefaults) {
  write_file(path_, "train:\n  lr: 5e-4\n  epochs: +7\ndata.shuffle: false\n");
  Sample sample;
  ConfigSchema schema = sample.schema();
  schema.load_yaml(path_);
  schema.set("train.lr=0.25");
  schema.set("train.note=a=b");
  EXPECT_EQ(sample.lr, 0.25);
  EXPECT_EQ(sample.epochs, 7);
  EXPECT_FALSE(sample.shuffle);
  EXPECT_EQ(sample.note, "a=b");
  EXPECT_EQ(sample.optimizer, "adamw");
}

TEST_F(Config, YamlRoundTripIsExact) {
  for (const std::string& note :
       {std::string("on"), std::string(""), std::string("a: \"b\" # c\n\td"), std::string("1e3"),
        std::string("ä")}) {
    Sample sample;
    sample.note = note;
    sample.lr = 0.1 + 0.2;
    sample.epochs = INT64_MIN;
    sample.shuffle = false;
    const std::string text = sample.schema().to_yaml();
    write_file(path_, text);
    Sample loaded;
    ConfigSchema schema = loaded.schema();
    schema.load_yaml(path_);
    EXPECT_EQ(loaded.note, sample.note);
    EXPECT_EQ(loaded.lr, sample.lr);
    EXPECT_EQ(loaded.epochs, sample.epochs);
    EXPECT_EQ(loaded.shuffle, sample.shuffle);
    EXPECT_EQ(schema.to_yaml(), text);
  }
}

TEST_F(Config, ErrorsNameFileLineKeyFoundAndExpected) {
  const std::string file = path_.string();
  EXPECT_EQ(yaml_error("train:\n  epochs: many\n"),
            file + ":2: train.epochs is 'many', expected a whole number");
  EXPECT_EQ(yaml_error("train:\n  lr: 1\n  epoch: 3\n"),
            file + ":3: unknown key 'train.epoch'; did you mean 'train.epochs'?");
  EXPECT_EQ(yaml_error("train: [1]\n"), file + ":1: train is a list, expected one value");
  EXPECT_EQ(yaml_error("train.lr:\n"), file + ":1: train.lr is empty, expected one value");
  EXPECT_EQ(yaml_error("train.lr: 1\ntrain: {lr: 2}\n"), file + ":2: key 'train.lr' occurs twice");
  EXPECT_EQ(yaml_error("- a\n"), file + ": expected a map of keys and values");
  EXPECT_TRUE(yaml_error("a: b: c\n").starts_with(file + ":1: not valid YAML"))
      << yaml_error("a: b: c\n");
  EXPECT_EQ(yaml_error("# nothing\n"), "");
}

TEST_F(Config, RefusesValuesOfTheWrongKind) {
  EXPECT_EQ(
      set_error("train.optimizer=adam"),
      "--set train.optimizer=adam: train.optimizer is 'adam', expected one of: adamw, sgd; did "
      "you mean 'adamw'?");
  EXPECT_NE(set_error("train.epochs=3.5"), "");
  EXPECT_NE(set_error("train.epochs=9223372036854775808"), "");
  EXPECT_NE(set_error("train.epochs="), "");
  EXPECT_NE(set_error("train.lr=1e-3x"), "");
  EXPECT_NE(set_error("train.lr=nan"), "");
  EXPECT_NE(set_error("train.lr=1e999"), "");
  EXPECT_NE(set_error("data.shuffle=yes"), "");
  EXPECT_NE(set_error("train.lr"), "");
  EXPECT_NE(set_error("=1"), "");
  EXPECT_NE(set_error("train.note=\xff"), "");
}

TEST_F(Config, HelpListsEveryKey) {
  Sample sample;
  const std::string help = sample.schema().help();
  EXPECT_NE(help.find("train.lr=0.001"), std::string::npos) << help;
  EXPECT_NE(help.find("train.optimizer=adamw "), std::string::npos) << help;  // as --set takes it
  EXPECT_NE(help.find("optimizer (adamw, sgd)"), std::string::npos) << help;
}

// A run that goes on: limits may change, what the steps so far depend on may not.
TEST(ConfigChoice, HoldsAnEnumeration) {
  enum class Fruit { kApple, kPear };
  Fruit fruit = Fruit::kPear;
  ConfigSchema schema;
  schema.add("fruit", &fruit, "what is eaten", {{"apple", Fruit::kApple}, {"pear", Fruit::kPear}});
  EXPECT_EQ(schema.to_yaml(), "fruit: \"pear\"\n");
  EXPECT_NE(schema.help().find("fruit=pear"), std::string::npos);
  EXPECT_NE(schema.help().find("(apple, pear)"), std::string::npos);
  const std::vector<std::string> before = schema.values();
  schema.set("fruit=apple");
  EXPECT_EQ(fruit, Fruit::kApple);
  EXPECT_THROW(schema.changes_since(before, "run"), ConfigError);
  try {
    schema.set("fruit=aple");
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("expected one of: apple, pear; did you mean 'apple'"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(fruit, Fruit::kApple);
}

TEST(ConfigChanges, NamesWhatARunMustKeepAndGivesTheRest) {
  struct Run {
    int64_t seed = 42, patience = 5, max_steps = 100;
    double lr = 1e-3;
    std::string schedule = "constant";
    ConfigSchema schema() {
      ConfigSchema schema;
      schema.add("seed", &seed, "");
      schema.add("lr", &lr, "");
      schema.add("patience", &patience, "").may_change();
      schema.add("max_steps", &max_steps, "").may_change([this] {
        return std::string(schedule == "constant" ? "" : "the schedule ends there");
      });
      return schema;
    }
  } run;
  ConfigSchema schema = run.schema();
  const auto before = schema.values();
  EXPECT_TRUE(schema.changes_since(before, "out").empty());
  schema.set("patience=9");
  schema.set("max_steps=200");
  EXPECT_EQ(describe_changes(schema.changes_since(before, "out")),
            "patience (5 -> 9), max_steps (100 -> 200)");

  schema.set("seed=43");
  schema.set("lr=0.01");
  run.schedule = "linear";
  try {
    schema.changes_since(before, "out");
    FAIL() << "a run went on with another seed";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(),
                 "out: --resume cannot change seed (42 -> 43): what is done so far depends on it; "
                 "lr (0.001 -> 0.01): what is done so far depends on it; max_steps (100 -> 200): "
                 "the schedule ends there. Leave out what differs to go on as the run began, or "
                 "train anew into another --output");
  }
}

}  // namespace
}  // namespace tandem
