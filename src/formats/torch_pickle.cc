// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "formats/pickle.h"
#include "formats/zip.h"

namespace tandem {
namespace {

using Kind = PickleValue::Kind;

struct StorageType {
  std::string_view global;
  DType dtype;
  int64_t parts = 1;  // 2: complex
};

constexpr std::array kStorageTypes = {
    StorageType{"DoubleStorage", DType::kF64},
    StorageType{"FloatStorage", DType::kF32},
    StorageType{"HalfStorage", DType::kF16},
    StorageType{"BFloat16Storage", DType::kBf16},
    StorageType{"LongStorage", DType::kI64},
    StorageType{"IntStorage", DType::kI32},
    StorageType{"ShortStorage", DType::kI16},
    StorageType{"CharStorage", DType::kI8},
    StorageType{"ByteStorage", DType::kU8},
    StorageType{"BoolStorage", DType::kBool},
    StorageType{"ComplexFloatStorage", DType::kF32, 2},
    StorageType{"ComplexDoubleStorage", DType::kF64, 2},
};

constexpr size_t kMaxRank = 64;

using Archive = std::map<std::string, std::span<const std::byte>>;

// Turns the pickle's tensors into views of the archive.
class Tensors {
 public:
  Tensors(const Pickle& pickle, const Archive& archive, std::string prefix, uint64_t file_bytes,
          std::deque<std::vector<std::byte>>& copies)
      : pickle_(pickle),
        archive_(archive),
        prefix_(std::move(prefix)),
        copy_budget_(4 * file_bytes),
        copies_(copies) {}

  TensorView view(const PickleValue& tensor, const std::string& name, const std::string& where);

 private:
  std::vector<int64_t> sizes(PickleRef ref, std::string_view what, const std::string& where) const;
  std::span<const std::byte> gather(std::span<const std::byte> storage, int64_t element_bytes,
                                    int64_t count, std::span<const int64_t> shape,
                                    std::span<const int64_t> strides, const std::string& where);

  const Pickle& pickle_;
  const Archive& archive_;
  std::string prefix_;
  uint64_t copy_budget_;  // bytes; a pickle can name one storage many times
  std::deque<std::vector<std::byte>>& copies_;
};

std::vector<int64_t> Tensors::sizes(PickleRef ref, std::string_view what,
                                    const std::string& where) const {
  const std::vector<PickleRef>& items = pickle_.values[ref].items;
  if (items.size() > kMaxRank)
    throw FormatError("{}: {} axes, at most {} are read", where, items.size(), kMaxRank);
  std::vector<int64_t> values;
  for (const PickleRef item : items) {
    const PickleValue& value = pickle_.values[item];
    if (value.kind != Kind::kInteger || value.integer < 0)
      throw FormatError("{}: {} holds something else than whole numbers from 0", where, what);
    values.push_back(value.integer);
  }
  return values;
}

bool is_contiguous(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  int64_t expected = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    if (strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

// A strided tensor's elements in row-major order. storage starts at its first element.
std::span<const std::byte> Tensors::gather(std::span<const std::byte> storage,
                                           int64_t element_bytes, int64_t count,
                                           std::span<const int64_t> shape,
                                           std::span<const int64_t> strides,
                                           const std::string& where) {
  const auto bytes = static_cast<uint64_t>(count * element_bytes);
  if (bytes > copy_budget_)
    throw FormatError("{}: strided tensors larger than the file together; refused", where);
  copy_budget_ -= bytes;
  std::vector<std::byte>& copy = copies_.emplace_back(static_cast<size_t>(bytes));
  std::vector<int64_t> index(shape.size(), 0);
  int64_t offset = 0;
  for (int64_t element = 0; element < count; ++element) {
    std::memcpy(copy.data() + element * element_bytes, storage.data() + offset * element_bytes,
                static_cast<size_t>(element_bytes));
    for (size_t axis = shape.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return copy;
}

TensorView Tensors::view(const PickleValue& tensor, const std::string& name,
                         const std::string& where) {
  const PickleValue& storage = pickle_.values[tensor.items[0]];
  const std::string_view global = pickle_.values[storage.items[0]].text;
  const auto type =
      std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                   [&](const StorageType& candidate) { return candidate.global == global; });
  if (type == kStorageTypes.end())
    throw FormatError("{}: storage type '{}' is not supported", where, global);
  const int64_t element_bytes = dtype_bytes(type->dtype) * type->parts;

  const auto entry = archive_.find(fmt::format("{}data/{}", prefix_, storage.text));
  if (entry == archive_.end())
    throw FormatError("{}: storage '{}' is missing from the archive", where, storage.text);
  int64_t storage_bytes = 0;
  if (__builtin_mul_overflow(storage.integer, element_bytes, &storage_bytes) ||
      static_cast<uint64_t>(storage_bytes) != entry->second.size())
    throw FormatError("{}: storage '{}' has {} bytes, {} elements of {} were expected", where,
                      storage.text, entry->second.size(), storage.integer, global);

  const int64_t offset = pickle_.values[tensor.items[1]].integer;
  std::vector<int64_t> shape = sizes(tensor.items[2], "the shape", where);
  const std::vector<int64_t> strides = sizes(tensor.items[3], "the strides", where);
  if (shape.size() != strides.size())
    throw FormatError("{}: {} sizes, {} strides", where, shape.size(), strides.size());

  // count elements, the last of them at `last`, must lie in the storage. More elements than that
  // can only come from a stride that revisits elements.
  int64_t count = 1, last = offset;
  bool fits = offset >= 0;
  for (size_t axis = 0; axis < shape.size() && fits; ++axis) {
    int64_t span = 0;
    fits = !__builtin_mul_overflow(count, shape[axis], &count) &&
           !__builtin_mul_overflow(std::max<int64_t>(shape[axis] - 1, 0), strides[axis], &span) &&
           !__builtin_add_overflow(last, span, &last);
  }
  fits = fits && (count == 0 || (last < storage.integer && count <= storage.integer));
  if (!fits)
    throw FormatError(
        "{}: shape [{}] with strides [{}] from {} does not fit a storage of {} elements", where,
        fmt::join(shape, ", "), fmt::join(strides, ", "), offset, storage.integer);

  TensorView view{.name = name, .dtype = type->dtype};
  if (count > 0) {
    const auto from = entry->second.subspan(offset * element_bytes);
    // torch.save aligns storages to 64 bytes, other writers of the format do not.
    const bool aligned = reinterpret_cast<uintptr_t>(from.data()) % dtype_bytes(type->dtype) == 0;
    view.bytes = aligned && is_contiguous(shape, strides)
                     ? from.first(count * element_bytes)
                     : gather(from, element_bytes, count, shape, strides, where);
  }
  if (type->parts == 2) shape.push_back(2);
  view.shape = std::move(shape);
  return view;
}

// The dict that holds the parameters.
const PickleValue& find_state_dict(const Pickle& pickle, const std::string& where) {
  const PickleValue& root = pickle.values[pickle.root];
  if (root.kind != Kind::kDict)
    throw FormatError("{}: holds no dict, expected a state dict", where);
  for (const std::string_view wanted : {"model_state_dict", "state_dict", "model"}) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const PickleValue &key = pickle.values[root.items[i]],
                        &value = pickle.values[root.items[i + 1]];
      if (key.kind == Kind::kText && key.text == wanted && value.kind == Kind::kDict) return value;
    }
  }
  return root;
}

bool is_utf8(const std::string& text) {
  try {
    Json(text).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace

TorchPickleFile::TorchPickleFile(const fs::path& path) : file_(path) {
  const std::string where = path.string();
  if (file_.text().starts_with("\x80\x02"))
    throw FormatError(
        "{}: a file of PyTorch before 1.6, which is not read; load and save it again with a newer "
        "one",
        where);
  const Archive archive = read_stored_zip(file_.bytes(), where);
  constexpr std::string_view kCode = "data.pkl";
  const auto code = std::find_if(archive.begin(), archive.end(), [&](const auto& entry) {
    return entry.first == kCode || entry.first.ends_with("/data.pkl");
  });
  if (code == archive.end())
    throw FormatError("{}: no data.pkl in the archive, so torch.save did not write it", where);
  const std::string prefix = code->first.substr(0, code->first.size() - kCode.size());
  if (const auto order = archive.find(prefix + "byteorder"); order != archive.end()) {
    const std::string_view text(reinterpret_cast<const char*>(order->second.data()),
                                order->second.size());
    if (text != "little") throw FormatError("{}: byte order '{}', expected 'little'", where, text);
  }

  const Pickle pickle({reinterpret_cast<const char*>(code->second.data()), code->second.size()},
                      where);
  const PickleValue& state_dict = find_state_dict(pickle, where);
  Tensors tensors(pickle, archive, prefix, file_.size(), copies_);
  for (size_t i = 0; i + 1 < state_dict.items.size(); i += 2) {
    const PickleValue &key = pickle.values[state_dict.items[i]],
                      &value = pickle.values[state_dict.items[i + 1]];
    if (key.kind != Kind::kText || value.kind != Kind::kTensor) continue;
    const std::string name(key.text);
    if (!is_utf8(name)) throw FormatError("{}: a tensor's name is not UTF-8", where);
    if (!tensors_
             .emplace(name, tensors.view(value, name, fmt::format("{}: tensor '{}'", where, name)))
             .second)
      throw FormatError("{}: tensor '{}' occurs twice", where, name);
  }
  if (tensors_.empty()) throw FormatError("{}: no tensors in its state dict", where);
}

const TensorView& TorchPickleFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FormatError("{}: tensor '{}' is missing", path().string(), name);
  return found->second;
}

}  // namespace tandem
