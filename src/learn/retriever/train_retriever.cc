// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/train_retriever.h"

#include <ATen/Parallel.h>

#include <memory>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "core/plural.h"
#include "data/dataset.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/nce_task.h"
#include "learn/retriever/retriever_config.h"
#include "learn/retriever/retriever_task.h"
#include "learn/trainer/session.h"
#include "offline/crossfit.h"

namespace tandem::learn {
namespace {

std::unique_ptr<TrainingTask> make_task(Retriever& model, const TrainingObjective& objective,
                                        const Dataset& dataset, const RetrieverConfig& config) {
  if (config.loss == RetrieverLoss::kNce)
    return std::make_unique<NceTask>(model, objective, dataset, config);
  return std::make_unique<RetrieverTask>(model, objective, dataset, config);
}

// One retriever; what it was told.
RetrieverConfig train_one(const TrainRequest& request, ProcessGroup& group) {
  Session session(request, group);
  RetrieverConfig config;
  session.read_config(config.schema());
  const Dataset dataset = Dataset::open(request.input("dataset"));
  config.resolve(dataset);
  session.check_config(config.schema());
  const auto model = make_retriever(config, dataset.num_items(), session.device());
  const int64_t reals = count_reals(model->parameters());
  const auto objective = make_objective(config, dataset.num_items());
  const auto task_of_loss = make_task(*model, *objective, dataset, config);
  TrainingTask& task = *task_of_loss;
  if (!session.announce(task, config)) return config;
  RunFolder* folder =
      session.open_folder({.seed = static_cast<uint64_t>(config.seed),
                           .dataset_fingerprint = dataset.fingerprint(),
                           .inputs = {{"parameters", reals}, {"fold", config.folds.left_out}},
                           .extra = {{"dataset", fs::absolute(request.input("dataset")).string()},
                                     {"folds", config.folds.count}}},
                          config.schema().to_yaml());
  Trainer trainer(task, config, folder, group, session.pool());
  spdlog::info("{} with {} parameters on {} ({}, {} each), at most {}", config.model_type, reals,
               session.device(), counted(group.size(), "process", "processes"),
               counted(session.threads(), "thread"), counted(trainer.total_steps(), "step"));
  session.train(trainer, config);
  if (folder != nullptr) task.write_model(folder->path(), task.parameters());
  group.barrier();
  return config;
}

// And of its folds.
void train_retriever(const TrainRequest& request, ProcessGroup& group) {
  const UserFolds folds = train_one(request, group).folds;
  if (folds.left_out >= 0 || folds.count == 0 || request.dry_run) return;
  std::optional<RunLock> lock;  // of the run whose folds they are
  if (group.rank() == 0) lock.emplace(request.output);
  for (int64_t fold = 0; fold < folds.count; ++fold) {
    TrainRequest one = request;
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

}  // namespace

const TrainingVerb kTrainRetriever = {
    .name = "train retriever",
    .keys = config_keys<RetrieverConfig>,
    .run = train_retriever,
    .saves_memory =
        "a smaller train.batch (with train.accumulate raised the result is the same), "
        "model.max_length or model.width"};

TrainingSpeed time_retriever(const TrainRequest& request, int64_t steps) {
  constexpr int64_t kWarmUpSteps = 5;  // buffers grow, kernels are chosen
  const std::string device = check_device(request.device, 0);
  const int threads = request.threads > 0 ? request.threads : available_processors();
  at::set_num_threads(threads);
  keep_freed_memory();
  ThreadPool pool(threads);
  RetrieverConfig config;
  ConfigSchema schema = config.schema();
  read_config(schema, request);
  const Dataset dataset = Dataset::open(request.input("dataset"));
  config.resolve(dataset);
  const auto model = make_retriever(config, dataset.num_items(), device);
  ProcessGroup& group = world();
  if (group.size() > 1) throw UsageError("bench measures one process; start it without mpirun");
  const auto objective = make_objective(config, dataset.num_items());
  const auto task = make_task(*model, *objective, dataset, config);
  Trainer trainer(*task, config, nullptr, group, pool);
  trainer.time_steps(kWarmUpSteps);
  const Trainer::Timing timing = trainer.time_steps(steps);
  return {.model = retriever_model_config(config, dataset),
          .parameters = count_reals(model->parameters()),
          .steps = steps,
          .rows = timing.samples,
          .labels = timing.labels,
          .seconds = timing.seconds,
          .threads = threads};
}

}  // namespace tandem::learn
