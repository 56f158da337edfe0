// SPDX-License-Identifier: Apache-2.0
#include "formats/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "core/error.h"

namespace tandem {
namespace {

using Kind = PickleValue::Kind;

// A value takes about 80 bytes and an instruction can be one; a state dict of 100,000 tensors needs
// 15 MB.
constexpr size_t kMaxCode = size_t{16} << 20;

constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kStorageSuffix = "Storage";

bool known_global(std::string_view name) {
  constexpr std::array storages = {"Double", "Float", "Half",         "BFloat16",
                                   "Long",   "Int",   "Short",        "Char",
                                   "Byte",   "Bool",  "ComplexFloat", "ComplexDouble"};
  if (name == kOrderedDict || name == kRebuildTensor || name == kRebuildParameter) return true;
  if (!name.starts_with("torch ") || !name.ends_with(kStorageSuffix)) return false;
  name.remove_prefix(6);
  name.remove_suffix(kStorageSuffix.size());
  return std::find(storages.begin(), storages.end(), name) != storages.end();
}

class Machine {
 public:
  Machine(std::string_view code, const std::string& where, std::vector<PickleValue>& values)
      : code_(code), where_(where), values_(values) {}

  PickleRef run();

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw FormatError("{}: pickle byte {}: {}", where_, opcode_at_,
                      fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view take(uint64_t size) {
    if (size > code_.size() - at_) fail("cut off");
    const std::string_view part = code_.substr(at_, static_cast<size_t>(size));
    at_ += part.size();
    return part;
  }
  template <typename T>
  T number() {
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {
    const size_t end = code_.find('\n', at_);
    if (end == std::string_view::npos) fail("cut off");
    const std::string_view text = code_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  PickleRef add(PickleValue value) {
    values_.push_back(std::move(value));
    return static_cast<PickleRef>(values_.size() - 1);
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  // The top of the stack; never what lies below the innermost mark.
  PickleRef top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
    return stack_.back();
  }
  PickleRef pop() {
    const PickleRef value = top();
    stack_.pop_back();
    return value;
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail("no mark on the stack");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<PickleRef> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  void push_tuple(size_t size) {
    PickleValue tuple{.kind = Kind::kTuple};
    tuple.items.resize(size);
    for (size_t i = size; i-- > 0;) tuple.items[i] = pop();
    push(std::move(tuple));
  }
  PickleValue& container(Kind kind, std::string_view what) {
    PickleValue& value = values_[top()];
    if (value.kind != kind) fail("expected a {} on the stack", what);
    return value;
  }
  void extend(Kind kind, std::string_view what, std::vector<PickleRef> items) {
    if (kind == Kind::kDict && items.size() % 2 != 0) fail("a key without a value");
    PickleValue& value = container(kind, what);
    value.items.insert(value.items.end(), items.begin(), items.end());
  }

  void global();
  void persistent();
  void reduce();
  void memoize(uint32_t key) { memo_[key] = top(); }
  void recall(uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("memo {} was never set", key);
    stack_.push_back(found->second);
  }
  bool step();  // false at the end

  std::string_view code_;
  const std::string& where_;
  std::vector<PickleValue>& values_;
  size_t at_ = 0, opcode_at_ = 0;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::unordered_map<uint32_t, PickleRef> memo_;
};

void Machine::global() {
  const size_t begin = at_;
  const std::string_view module = line(), name = line();
  // "module\nname\n" in the code; one text is easier to compare.
  static constexpr std::array kNames = {kOrderedDict, kRebuildTensor, kRebuildParameter};
  const std::string full = fmt::format("{} {}", module, name);
  if (!known_global(full))
    fail("global '{}.{}' is not part of a state dict; refused", module, name);
  const auto found = std::find(kNames.begin(), kNames.end(), full);
  push({.kind = Kind::kGlobal,
        .text =
            found != kNames.end() ? *found : code_.substr(begin + module.size() + 1, name.size())});
}

// ('storage', torch.FloatStorage, key, device, number of elements)
void Machine::persistent() {
  const PickleValue id = values_[pop()];
  if (id.kind != Kind::kTuple || id.items.size() != 5)
    fail("a persistent id that is not a storage");
  const PickleValue &tag = values_[id.items[0]], &type = values_[id.items[1]],
                    &key = values_[id.items[2]], &count = values_[id.items[4]];
  if (tag.kind != Kind::kText || tag.text != "storage" || type.kind != Kind::kGlobal ||
      !type.text.ends_with(kStorageSuffix) || key.kind != Kind::kText ||
      count.kind != Kind::kInteger || count.integer < 0)
    fail("a persistent id that is not a storage");
  push(
      {.kind = Kind::kStorage, .integer = count.integer, .text = key.text, .items = {id.items[1]}});
}

void Machine::reduce() {
  const PickleValue arguments = values_[pop()];
  const PickleRef callee = pop();
  if (arguments.kind != Kind::kTuple || values_[callee].kind != Kind::kGlobal)
    fail("REDUCE without a global and a tuple");
  const std::string_view name = values_[callee].text;
  const std::vector<PickleRef>& items = arguments.items;
  const auto kind = [&](size_t index) { return values_[items[index]].kind; };
  if (name == kOrderedDict && items.empty()) {
    push({.kind = Kind::kDict});
  } else if (name == kRebuildTensor && (items.size() == 6 || items.size() == 7) &&
             kind(0) == Kind::kStorage && kind(1) == Kind::kInteger && kind(2) == Kind::kTuple &&
             kind(3) == Kind::kTuple) {
    // A seventh argument tells of views that conjugate or negate when read.
    if (items.size() == 7 && kind(6) != Kind::kNone && !values_[items[6]].items.empty())
      fail("a tensor with lazy conjugation or negation; save it with .resolve_conj()");
    push({.kind = Kind::kTensor, .items = {items[0], items[1], items[2], items[3]}});
  } else if (name == kRebuildParameter && items.size() == 3 && kind(0) == Kind::kTensor) {
    stack_.push_back(items[0]);
  } else {
    fail("unexpected arguments for '{}'", name);
  }
}

bool Machine::step() {
  opcode_at_ = at_;
  const auto opcode = number<uint8_t>();
  switch (opcode) {
    case 0x80:  // PROTO
      if (const int version = number<uint8_t>(); version != 2)
        fail("protocol {}, expected 2", version);
      break;
    case 'N':
      push({.kind = Kind::kNone});
      break;
    case 0x88:
      push({.kind = Kind::kBool, .integer = 1});
      break;
    case 0x89:
      push({.kind = Kind::kBool, .integer = 0});
      break;
    case 'K':
      push({.kind = Kind::kInteger, .integer = number<uint8_t>()});
      break;
    case 'M':
      push({.kind = Kind::kInteger, .integer = number<uint16_t>()});
      break;
    case 'J':
      push({.kind = Kind::kInteger, .integer = number<int32_t>()});
      break;
    case 0x8a: {  // LONG1: little-endian two's complement
      const std::string_view bytes = take(number<uint8_t>());
      if (bytes.size() > 8) fail("an integer of {} bytes, at most 8 are read", bytes.size());
      uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
      std::memcpy(&value, bytes.data(), bytes.size());
      push({.kind = Kind::kInteger, .integer = static_cast<int64_t>(value)});
      break;
    }
    case 'G':
      take(8);
      push({.kind = Kind::kReal});
      break;
    case 'X':
      push({.kind = Kind::kText, .text = take(number<uint32_t>())});
      break;
    case '(':
      marks_.push_back(stack_.size());
      break;
    case ')':
      push({.kind = Kind::kTuple});
      break;
    case 't':
      push({.kind = Kind::kTuple, .items = pop_to_mark()});
      break;
    case 0x85:
    case 0x86:
    case 0x87:
      push_tuple(opcode - 0x84u);
      break;
    case ']':
      push({.kind = Kind::kList});
      break;
    case 'a': {
      const PickleRef value = pop();
      extend(Kind::kList, "list", {value});
      break;
    }
    case 'e':
      extend(Kind::kList, "list", pop_to_mark());
      break;
    case '}':
      push({.kind = Kind::kDict});
      break;
    case 's': {
      const PickleRef value = pop();
      const PickleRef key = pop();
      extend(Kind::kDict, "dict", {key, value});
      break;
    }
    case 'u':
      extend(Kind::kDict, "dict", pop_to_mark());
      break;
    case 'b':  // BUILD: attributes of a state dict (_metadata) do not concern us
      pop();
      container(Kind::kDict, "dict");
      break;
    case 'q':
      memoize(number<uint8_t>());
      break;
    case 'r':
      memoize(number<uint32_t>());
      break;
    case 'h':
      recall(number<uint8_t>());
      break;
    case 'j':
      recall(number<uint32_t>());
      break;
    case 'c':
      global();
      break;
    case 'Q':
      persistent();
      break;
    case 'R':
      reduce();
      break;
    case '.':
      return false;
    default:
      fail("instruction 0x{:02x} is not part of a state dict; refused", opcode);
  }
  return true;
}

PickleRef Machine::run() {
  if (code_.size() > kMaxCode)
    throw FormatError("{}: the pickle has {} bytes, at most {} are read", where_, code_.size(),
                      kMaxCode);
  while (step()) {
  }
  return pop();
}

}  // namespace

Pickle::Pickle(std::string_view code, const std::string& where) {
  root = Machine(code, where, values).run();
}

}  // namespace tandem
