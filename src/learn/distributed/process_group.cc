// SPDX-License-Identifier: Apache-2.0
#include "learn/distributed/process_group.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#ifdef TANDEM_MPI
#include <mpi.h>
#endif

#include "core/error.h"

namespace tandem::learn {
namespace {

class SingleProcess : public ProcessGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(std::span<float>) override {}
  void sum(std::span<double>) override {}
  void sum(std::span<int64_t>) override {}
  void barrier() override {}
  void abort(int exit_code) override { std::exit(exit_code); }
};

#ifdef TANDEM_MPI

// MPI counts are int; larger arrays go in pieces.
constexpr size_t kPiece = size_t{1} << 28;

class MpiProcesses : public ProcessGroup {
 public:
  MpiProcesses() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    std::atexit([] {
      int done = 0;
      MPI_Finalized(&done);
      if (done == 0) MPI_Finalize();
    });
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void sum(std::span<float> values) override { all_reduce(values, MPI_FLOAT); }
  void sum(std::span<double> values) override { all_reduce(values, MPI_DOUBLE); }
  void sum(std::span<int64_t> values) override { all_reduce(values, MPI_INT64_T); }
  void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }
  void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  static void check(int code, const char* call) {
    if (code != MPI_SUCCESS) throw DeviceError("{} failed with code {}", call, code);
  }

  template <typename T>
  void all_reduce(std::span<T> values, MPI_Datatype type) {
    while (!values.empty()) {
      const auto piece = values.first(std::min(values.size(), kPiece));
      check(MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), type, MPI_SUM,
                          MPI_COMM_WORLD),
            "MPI_Allreduce");
      values = values.subspan(piece.size());
    }
  }

  int rank_ = 0, size_ = 1;
};

#endif

bool several_processes() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size != nullptr && std::atoi(size) > 1;
}

std::unique_ptr<ProcessGroup> make_world() {
  if (!several_processes()) return std::make_unique<SingleProcess>();
#ifdef TANDEM_MPI
  return std::make_unique<MpiProcesses>();
#else
  throw DeviceError(
      "mpirun started {} processes, but this build has no MPI (install libopenmpi-dev and build "
      "again)",
      std::getenv("OMPI_COMM_WORLD_SIZE"));
#endif
}

}  // namespace

ProcessGroup& world() {
  // Not destroyed: MPI_Finalize runs at exit, and a model may still be in use until then.
  static ProcessGroup* group = make_world().release();
  return *group;
}

ProcessGroup& alone() {
  static SingleProcess group;
  return group;
}

}  // namespace tandem::learn
