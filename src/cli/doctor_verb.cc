// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/json.h"
#include "core/machine.h"

namespace tandem {
namespace {

// Linux lends the AMX tile registers on request only; asking does no harm.
std::string amx_permission(const Machine& machine) {
  if (machine.instruction_set != "amx") return "the CPU has no AMX";
  constexpr long kRequestPermission = 0x1023,
                 kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? "granted"
                                                                       : "refused by the kernel";
}

Json learn_report() {
  try {
    learn::Learn& learn = load_learn();
    return {{"found", true}, {"version", learn.libtorch_version()}, {"devices", learn.devices()}};
  } catch (const std::exception& error) {
    return {{"found", false}, {"reason", error.what()}};
  }
}

void run_doctor(bool json) {
  const Machine machine = describe_machine();
  const Json learn = learn_report();
  const std::string amx = amx_permission(machine);
  if (json) {
    fmt::print("{}\n", Json{{"version", TANDEM_VERSION},
                            {"cpu", machine.cpu_name},
                            {"processors", machine.processors},
                            {"instruction_set", machine.instruction_set},
                            {"amx", amx},
                            {"memory_bytes", machine.memory_bytes},
                            {"libtorch", learn}}
                           .dump(2));
    return;
  }
  fmt::print("tandem     {}\n", TANDEM_VERSION);
  fmt::print("CPU        {}, {} usable\n", machine.cpu_name, machine.processors);
  fmt::print("widest set {}\n", machine.instruction_set);
  fmt::print("AMX        {}\n", amx);
  fmt::print("memory     {:.1f} GiB\n", static_cast<double>(machine.memory_bytes) / (1LL << 30));
  if (learn["found"].get<bool>()) {
    fmt::print("libtorch   {}\n", learn["version"].get<std::string>());
    for (const Json& device : learn["devices"])
      fmt::print("device     {}\n", device.get<std::string>());
    fmt::print("\nEverything works, training included.\n");
  } else {
    fmt::print("libtorch   not usable: {}\n", learn["reason"].get<std::string>());
    fmt::print(
        "\nAll but training works without it: data, tokenizer, model, retrieve, eval, compare, "
        "recommend, bench.\n");
  }
}

}  // namespace

void add_doctor_verb(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("doctor", "What this machine offers, and what is missing");
  verb->add_flag("--json", *json, "the report as JSON");
  verb->callback([json] { run_doctor(*json); });
}

}  // namespace tandem
