// SPDX-License-Identifier: Apache-2.0
// NF4 against bitsandbytes: tables, codes, both second levels, products, whole 4-bit folders.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/llama/llama.h"
#include "formats/half.h"
#include "formats/nf4.h"
#include "formats/safetensors.h"
#include "oracle/engine/llama_logits.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

// The README's limits; everything else of the codec is equal in bits. bfloat16 products: inputs,
// weights and the result are rounded, so 1e-2 of the largest.
constexpr double kOffsetLimit = 1e-6, kLogitsLimit = 1e-5, kProductLimit = 1e-5;

std::vector<float> floats(const TensorView& view) {
  if (view.dtype == DType::kF32) {
    const auto values = view.as<float>();
    return {values.begin(), values.end()};
  }
  std::vector<float> result;
  for (const uint16_t bits : view.as<uint16_t>())
    result.push_back(view.dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits));
  return result;
}

template <typename T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Counts values that differ in bits over all cases, one line a quantity at the end.
class Tally {
 public:
  template <typename T>
  void compare(const std::string& quantity, const std::string& name, const std::vector<T>& found,
               std::span<const T> wanted) {
    Entry& entry = entries_[quantity];
    entry.values += wanted.size();
    if (!same_bits<T>(found, wanted)) entry.wrong += " " + name;
  }
  void report(OracleReport& report) const {
    for (const auto& [quantity, entry] : entries_)
      report.equal(
          quantity, entry.wrong.empty(),
          entry.wrong.empty() ? fmt::format("{} values", entry.values) : "in" + entry.wrong);
  }

 private:
  struct Entry {
    size_t values = 0;
    std::string wrong;
  };
  std::map<std::string, Entry> entries_;
};

void check_tables(const fs::path& folder, OracleReport& report) {
  const SafetensorsFile tables(folder / "tables.safetensors");
  report.equal("nf4_table", same_bits<float>(kNf4Table, tables.at("nf4_table").as<float>()));
  report.equal("dynamic_map",
               same_bits<float>(nf4_dynamic_map(), tables.at("dynamic_map").as<float>()));
}

void compare_dequantised(const Nf4Tensor& w, const SafetensorsFile& file, const std::string& prefix,
                         const std::string& name, Tally& tally) {
  std::vector<float> wide(w.count());
  w.dequantize(0, w.count(), wide.data());
  tally.compare<float>(prefix + "dequant_f32", name, wide,
                       file.at(prefix + "dequant_f32").as<float>());
  std::vector<uint16_t> half(wide.size());
  if (file.contains(prefix + "dequant_bf16")) {
    w.dequantize_bf16(0, w.count(), half.data());
    tally.compare<uint16_t>(prefix + "dequant_bf16", name, half,
                            file.at(prefix + "dequant_bf16").as<uint16_t>());
  }
  if (file.contains(prefix + "dequant_f16")) {
    std::transform(wide.begin(), wide.end(), half.begin(), float_to_f16);
    tally.compare<uint16_t>(prefix + "dequant_f16", name, half,
                            file.at(prefix + "dequant_f16").as<uint16_t>());
  }
}

void check_case(const SafetensorsFile& file, const std::string& name, Tally& tally,
                OracleReport& report) {
  const TensorView& source = file.at("source");
  const Nf4Tensor plain = nf4_quantize(floats(source), source.shape);
  const std::vector<uint8_t> codes(plain.codes.begin(), plain.codes.end());
  const std::vector<float> absmax(plain.absmax.begin(), plain.absmax.end());
  tally.compare<uint8_t>("codes", name, codes, file.at("codes").as<uint8_t>());
  tally.compare<float>("absmax", name, absmax, file.at("absmax").as<float>());
  compare_dequantised(plain, file, "", name, tally);

  const float offset = file.at("dq.offset").as<float>()[0];
  const double difference = std::abs(double{nf4_offset(absmax)} - offset);
  if (!(difference <= kOffsetLimit * std::abs(offset)))
    report.fail("offset", fmt::format("{}: {} for {}", name, nf4_offset(absmax), offset));
  const Nf4Nested table = nf4_quantize_absmax(absmax, offset, Nf4SecondLevel::kTable);
  tally.compare<uint8_t>("dq.absmax_codes", name, table.codes,
                         file.at("dq.absmax_codes").as<uint8_t>());
  tally.compare<float>("dq.absmax2", name, table.absmax2, file.at("dq.absmax2").as<float>());
  if (file.contains("dq.absmax_codes_search")) {
    const Nf4Nested search = nf4_quantize_absmax(absmax, offset, Nf4SecondLevel::kSearch);
    tally.compare<uint8_t>("dq.absmax_codes_search", name, search.codes,
                           file.at("dq.absmax_codes_search").as<uint8_t>());
  }
  Nf4Tensor nested = plain;
  nested.absmax = {};
  nested.absmax_codes = table.codes;
  nested.absmax2 = table.absmax2;
  nested.offset = offset;
  std::vector<float> restored;
  for (int64_t b = 0; b < nested.num_blocks(); ++b) restored.push_back(nested.scale(b));
  tally.compare<float>("dq.absmax_restored", name, restored,
                       file.at("dq.absmax_restored").as<float>());
  compare_dequantised(nested, file, "dq.", name, tally);
}

void check_cases(const fs::path& folder, OracleReport& report) {
  report.part("cases");
  Tally tally;
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "cases")) {
    if (entry.path().extension() != ".safetensors") continue;
    check_case(SafetensorsFile(entry.path()), entry.path().stem().string(), tally, report);
    ++count;
  }
  tally.report(report);
  if (count == 0) report.fail("cases", "none in the folder");
}

// Linear4bit's products in float32: the engine's, on weights quantised here.
void check_products(const fs::path& folder, OracleReport& report) {
  report.part("linear4bit");
  ThreadPool pool(2);
  const SafetensorsFile file(folder / "linear4bit.safetensors");
  for (const auto& [name, view] : file.tensors()) {
    if (!name.ends_with(".weight")) continue;
    const std::string prefix = name.substr(0, name.size() - 6);
    const TensorView& inputs = file.at(prefix + "x");
    Matrix x(inputs.shape[0], inputs.shape[1]);
    x.values = floats(inputs);
    std::optional<StoredTensor> bias;
    if (file.contains(prefix + "bias")) bias.emplace(file.at(prefix + "bias"));
    for (const bool nested : {false, true}) {
      // The stored products were made by the CPU library.
      const Nf4Tensor w =
          nf4_quantize(floats(view), view.shape,
                       {.double_quant = nested, .second_level = Nf4SecondLevel::kTable});
      const LinearWeight linear(StoredTensor(name, w), bias ? &*bias : nullptr);
      const Matrix y = linear.apply(x, pool);
      const std::string kind = prefix + (nested ? "y.dq." : "y.plain.");
      for (const char* wanted : {"f32", "f64ref"})
        report.error(kind + wanted, relative_to_max(y.values, floats(file.at(kind + wanted))),
                     kProductLimit);
    }
  }
}

// A folder as transformers saves it, straight into the engine.
void check_folder(const fs::path& folder, OracleReport& report) {
  report.part(folder.filename().string());
  ThreadPool pool(2);
  const SafetensorsFile want(folder / "expected.safetensors");
  const auto source = open_llama(folder);
  const std::string prefix = "dequant_f32.";
  for (const auto& [name, view] : want.tensors()) {
    if (!name.starts_with(prefix)) continue;
    const TensorSpec spec{name.substr(prefix.size()) + ".weight", view.shape};
    report.equal(name, same_bits<float>(source->tensor(spec).read(), view.as<float>()),
                 fmt::format("{} values", view.count()));
  }
  const std::vector<float> logits = batch_logits(Llama(source), want.at("input_ids"), pool);
  report.error("logits_f32_of_dequantised",
               relative_to_max(logits, floats(want.at("logits_f32_of_dequantised"))), kLogitsLimit);
}

void check_nf4(const fs::path& folder, OracleReport& report) {
  check_tables(folder, report);
  check_cases(folder, report);
  check_products(folder, report);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "config.json")) check_folder(entry.path(), report);
}

const OracleChecker nf4("nf4", "engine", check_nf4);

}  // namespace
}  // namespace tandem::engine
