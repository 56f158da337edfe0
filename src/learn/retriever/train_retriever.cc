// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "core/log.h"
#include "core/plural.h"
#include "data/dataset.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/retriever_config.h"
#include "learn/retriever/retriever_task.h"
#include "learn/trainer/session.h"
#include "offline/crossfit.h"

namespace tandem::learn {
namespace {

// One retriever; what it was told.
RetrieverConfig train_one(const TrainRetrieverRequest& request, ProcessGroup& group) {
  Session session(request, "train retriever", {request.dataset, request.config}, group);
  RetrieverConfig config;
  session.read_config(config.schema());
  const Dataset dataset = Dataset::open(request.dataset);
  config.resolve(dataset);
  session.check_config(config.schema());
  const auto model = make_retriever(config, dataset.num_items(), session.device());
  const int64_t reals = count_reals(model->parameters());
  const auto objective = make_objective(config, dataset.num_items());
  RetrieverTask task(*model, *objective, dataset, config);
  if (!session.announce(task, config)) return config;
  RunFolder* folder =
      session.open_folder({.seed = static_cast<uint64_t>(config.seed),
                           .dataset_fingerprint = dataset.fingerprint(),
                           .inputs = {{"parameters", reals}, {"fold", config.folds.left_out}},
                           .extra = {{"dataset", fs::absolute(request.dataset).string()},
                                     {"folds", config.folds.count}}},
                          config.schema().to_yaml());
  Trainer trainer(task, config, folder, group, session.pool());
  spdlog::info("{} with {} parameters on {} ({}, {} each), at most {}", config.model_type, reals,
               session.device(), counted(group.size(), "process", "processes"),
               counted(session.threads(), "thread"), counted(trainer.total_steps(), "step"));
  session.train(trainer, config);
  if (folder != nullptr) task.write_model(folder->path(), model->parameters());
  group.barrier();
  return config;
}

}  // namespace

void train_retriever(const TrainRetrieverRequest& request, ProcessGroup& group) {
  const UserFolds folds = train_one(request, group).folds;
  if (folds.left_out >= 0 || folds.count == 0 || request.dry_run) return;
  std::optional<RunLock> lock;  // of the run whose folds they are
  if (group.rank() == 0) lock.emplace(request.output);
  for (int64_t fold = 0; fold < folds.count; ++fold) {
    TrainRetrieverRequest one = request;
    one.output = fold_folder(request.output, fold);
    one.config = request.output / "config.yaml";  // whatever it was told, before or now
    one.assignments = {fmt::format("data.fold={}", fold)};
    if (group.rank() == 0) {
      fs::create_directories(one.output.parent_path());
      spdlog::info("fold {} of {}: a retriever that does not see this fold's users", fold + 1,
                   folds.count);
    }
    group.barrier();
    train_one(one, group);
  }
}

}  // namespace tandem::learn
