// SPDX-License-Identifier: Apache-2.0
#include "formats/bnb_tensor.h"

#include <cstring>
#include <memory>
#include <span>

#include "core/error.h"

namespace tandem {
namespace {

constexpr const char* kState = ".quant_state.bitsandbytes__";
constexpr int64_t kLargestBlock = 4096;  // bitsandbytes' own
constexpr size_t kMostAxes = 8;

// Keeps the copies that unaligned data needs.
struct Copies {
  std::vector<std::vector<float>> floats;
};

std::span<const float> floats(const HfFolder& folder, const std::string& name,
                              const std::shared_ptr<Copies>& copies) {
  const TensorView& view = folder.at(name);
  const std::string where = folder.file_of(name).string();
  if (view.dtype != DType::kF32)
    throw FormatError("{}: tensor '{}' is {}, expected F32", where, name, dtype_name(view.dtype));
  if (reinterpret_cast<uintptr_t>(view.bytes.data()) % alignof(float) == 0) return view.as<float>();
  std::vector<float>& copy = copies->floats.emplace_back(view.bytes.size() / sizeof(float));
  std::memcpy(copy.data(), view.bytes.data(), view.bytes.size());
  return copy;
}

std::span<const uint8_t> raw_bytes(const TensorView& view) {
  return {reinterpret_cast<const uint8_t*>(view.bytes.data()), view.bytes.size()};
}

int64_t block_size(const Json& state, std::string_view key, const std::string& where) {
  const auto size = json_get<int64_t>(state, key, where);
  if (size < 2 || size > kLargestBlock || (size & (size - 1)) != 0)
    throw FormatError("{}: {} is {}, expected a power of two up to {}", where, key, size,
                      kLargestBlock);
  return size;
}

}  // namespace

bool is_bnb_4bit(const HfFolder& folder, const std::string& name) {
  return folder.contains(name + ".quant_map");
}

Nf4Tensor read_bnb_nf4(const HfFolder& folder, const std::string& name) {
  const std::string where = folder.file_of(name).string() + ": tensor '" + name + "'";
  if (folder.contains(name + kState + "fp4"))
    throw FormatError("{}: quantised as FP4, expected NF4", where);
  const TensorView& state_view = folder.at(name + kState + "nf4");
  const std::span<const std::byte> state_bytes = state_view.bytes;
  const Json state =
      parse_json({reinterpret_cast<const char*>(state_bytes.data()), state_bytes.size()},
                 where + ": quant_state");
  const std::string state_name = where + ": quant_state";
  const auto type = json_get<std::string>(state, "quant_type", state_name);
  if (type != "nf4") throw FormatError("{}: quant_type is '{}', expected 'nf4'", state_name, type);

  const auto copies = std::make_shared<Copies>();
  Nf4Tensor w;
  w.owner = copies;
  const Json shape = json_get<Json>(state, "shape", state_name);
  if (!shape.is_array() || shape.empty() || shape.size() > kMostAxes)
    throw FormatError("{}: shape is {}, expected a list of sizes", state_name,
                      shape.dump().substr(0, 80));
  for (const Json& size : shape) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > uint64_t{INT64_MAX})
      throw FormatError("{}: shape holds {}, expected whole numbers", state_name,
                        size.dump().substr(0, 40));
    w.shape.push_back(size.get<int64_t>());
  }
  w.block = block_size(state, "blocksize", state_name);
  w.codes = raw_bytes(folder.at(name));
  const std::span<const float> table = floats(folder, name + ".quant_map", copies);
  if (table.size() != kNf4Table.size() ||
      std::memcmp(table.data(), kNf4Table.data(), table.size_bytes()) != 0)
    throw FormatError("{}: quant_map is not NF4's table of codes", where);

  const TensorView& absmax = folder.at(name + ".absmax");
  if (absmax.dtype == DType::kU8) {
    w.absmax_codes = raw_bytes(absmax);
    w.absmax2 = floats(folder, name + ".nested_absmax", copies);
    w.nested_map = floats(folder, name + ".nested_quant_map", copies);
    w.nested_block = block_size(state, "nested_blocksize", state_name);
    w.offset = static_cast<float>(json_get<double>(state, "nested_offset", state_name));
  } else {
    w.absmax = floats(folder, name + ".absmax", copies);
  }
  w.validate(where);
  return w;
}

BnbTensors bnb_nf4_tensors(const std::string& name, const Nf4Tensor& weight,
                           std::string_view dtype) {
  struct State {
    Nf4Tensor weight;
    std::string json;
  };
  const auto state = std::make_shared<State>(State{weight, {}});
  Json json = {{"quant_type", "nf4"},
               {"blocksize", weight.block},
               {"dtype", dtype},
               {"shape", weight.shape}};
  if (weight.is_double()) {
    json["nested_blocksize"] = weight.nested_block;
    json["nested_dtype"] = "float32";
    json["nested_offset"] = static_cast<double>(weight.offset);
  }
  state->json = json.dump();
  BnbTensors tensors;
  tensors.state = state;
  const auto add = [&]<typename T>(const std::string& suffix, DType type, std::span<const T> values,
                                   std::vector<int64_t> shape) {
    tensors.views.push_back({name + suffix, type, std::move(shape), std::as_bytes(values)});
  };
  const auto size = [](const auto& values) { return static_cast<int64_t>(values.size()); };
  add("", DType::kU8, weight.codes, {size(weight.codes), 1});
  if (weight.is_double()) {
    const std::span<const float> map =
        weight.nested_map.empty() ? nf4_dynamic_map() : weight.nested_map;
    add(".absmax", DType::kU8, weight.absmax_codes, {size(weight.absmax_codes)});
    add(".nested_absmax", DType::kF32, weight.absmax2, {size(weight.absmax2)});
    add(".nested_quant_map", DType::kF32, map, {size(map)});
  } else {
    add(".absmax", DType::kF32, weight.absmax, {size(weight.absmax)});
  }
  add(".quant_map", DType::kF32, std::span<const float>(kNf4Table), {size(kNf4Table)});
  const std::span<const char> text(state->json);
  add(std::string(kState) + "nf4", DType::kU8, text, {size(text)});
  return tensors;
}

Json bnb_quantization_config(bool double_quant, std::string_view compute_dtype) {
  return {{"_load_in_4bit", true},
          {"_load_in_8bit", false},
          {"bnb_4bit_compute_dtype", compute_dtype},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", double_quant},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", nullptr},
          {"llm_int8_threshold", 6.0},
          {"load_in_4bit", true},
          {"load_in_8bit", false},
          {"quant_method", "bitsandbytes"}};
}

}  // namespace tandem
