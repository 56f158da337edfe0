// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_pickle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr const char* kTiny = "tests/data/tiny.pth";  // made by tools/oracle/make_tiny_pth.py

template <typename T>
std::string little(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// A zip archive of stored entries. method is written as given.
std::string make_zip(const std::vector<std::pair<std::string, std::string>>& entries,
                     uint16_t method = 0) {
  std::string file, directory;
  for (const auto& [name, content] : entries) {
    const auto size = static_cast<uint32_t>(content.size());
    // Flags, method, time and date, CRC, both sizes, length of name and of extra field: the same in
    // both records.
    const std::string common = little<uint16_t>(0) + little(method) + std::string(8, '\0') +
                               little(size) + little(size) +
                               little(static_cast<uint16_t>(name.size())) + little<uint16_t>(0);
    directory += little<uint32_t>(0x02014b50) + little<uint16_t>(20) + little<uint16_t>(20) +
                 common + std::string(10, '\0') + little(static_cast<uint32_t>(file.size())) + name;
    file += little<uint32_t>(0x04034b50) + little<uint16_t>(20) + common + name + content;
  }
  const auto count = static_cast<uint16_t>(entries.size());
  return file + directory + little<uint32_t>(0x06054b50) + little<uint32_t>(0) + little(count) +
         little(count) + little(static_cast<uint32_t>(directory.size())) +
         little(static_cast<uint32_t>(file.size())) + little<uint16_t>(0);
}

// Pickle instructions.
std::string text(const std::string& value) {
  return "X" + little(static_cast<uint32_t>(value.size())) + value;
}
std::string integer(int64_t value) { return "\x8a\x08" + little(value); }
std::string tuple(const std::string& items) { return "(" + items + "t"; }
std::string storage(const std::string& type, int64_t count, const std::string& key = "0") {
  return tuple(text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") +
               integer(count)) +
         "Q";
}
std::string tensor(const std::string& storage, int64_t offset, const std::string& shape,
                   const std::string& strides, const std::string& more = "") {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple(storage + integer(offset) + tuple(shape) + tuple(strides) + "\x89" + "}" + more) +
         "R";
}
std::string dict(const std::string& items) { return "}(" + items + "u"; }
std::string program(const std::string& body) { return "\x80\x02" + body + "."; }

class TorchPickle : public ::testing::Test {
 protected:
  // The text of the error, or "" when the file was accepted.
  std::string refusal(const std::string& file) {
    // Not write_file, and not over the old file: thousands of flushes to the disk take their time.
    fs::remove(path_);
    std::ofstream(path_, std::ios::binary) << file;
    try {
      const TorchPickleFile read(path_);
      return "";
    } catch (const FormatError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path_.string())) << error.what();
      return error.what();
    }
  }
  std::string code_refusal(const std::string& code,
                           const std::string& data = std::string(16, '\1')) {
    return refusal(make_zip({{"a/data.pkl", code}, {"a/data/0", data}}));
  }
  std::string tensor_refusal(const std::string& tensor,
                             const std::string& data = std::string(16, '\1')) {
    return code_refusal(program(dict(text("w") + tensor)), data);
  }

  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "x.pth";
};

#define EXPECT_CONTAINS(text, part)                                        \
  do {                                                                     \
    const std::string found = (text);                                      \
    EXPECT_NE(found.find(part), std::string::npos) << '"' << found << '"'; \
  } while (false)

// Element i is i / 8 + place; complex elements have its negative as imaginary part.
void expect_numbered(const TensorView& tensor, double place, bool complex = false) {
  SCOPED_TRACE(tensor.name);
  const auto values = tensor.as<float>();
  const size_t parts = complex ? 2 : 1;
  ASSERT_EQ(values.size() % parts, 0u);
  for (size_t i = 0; i * parts < values.size(); ++i) {
    const double want = static_cast<double>(i) / 8 + place;
    EXPECT_EQ(values[i * parts], want);
    if (complex) {
      EXPECT_EQ(values[i * parts + 1], -want);
    }
  }
}

using Shape = std::vector<int64_t>;

TEST_F(TorchPickle, ReadsTheAuthorsStateDict) {
  const TorchPickleFile file(kTiny);
  const std::string layer = "model.lru_blocks.0.lru_layer.";
  EXPECT_EQ(file.tensors().size(), 26u) << "without optimizer state";
  EXPECT_EQ(file.at("embedding.token.weight").shape, (Shape{6, 4}));
  expect_numbered(file.at("embedding.token.weight"), 0);
  expect_numbered(file.at("model.bias"), 3);
  expect_numbered(file.at(layer + "params_log"), 4);
  EXPECT_EQ(file.at(layer + "in_proj.weight").shape, (Shape{8, 4, 2}));
  expect_numbered(file.at(layer + "in_proj.weight"), 5, true);
  EXPECT_EQ(file.at(layer + "out_proj.bias").shape, (Shape{4, 2}));
  expect_numbered(file.at(layer + "out_proj.bias"), 8, true);
  EXPECT_THROW(file.at("epoch"), FormatError);
}

TEST_F(TorchPickle, ReadsEveryDType) {
  const TorchPickleFile file(kTiny);
  const auto at = [&](const std::string& name) { return file.at("extra." + name); };
  EXPECT_EQ(at("half").dtype, DType::kF16);
  EXPECT_EQ(at("half").as<uint16_t>()[0], 0x3c00);
  EXPECT_EQ(at("bfloat16").dtype, DType::kBf16);
  EXPECT_EQ(at("bfloat16").as<uint16_t>()[0], 0x3f80);
  EXPECT_EQ(at("double").as<double>()[1], 1.125);
  EXPECT_EQ(at("complex128").shape, (Shape{2, 2}));
  EXPECT_EQ(at("complex128").as<double>()[3], -1.125);
  EXPECT_EQ(at("int64").as<int64_t>()[0], int64_t{1} << 40);
  EXPECT_EQ(at("int32").as<int32_t>()[0], -7);
  EXPECT_EQ(at("int16").as<int16_t>()[0], -300);
  EXPECT_EQ(at("int8").as<int8_t>()[0], -5);
  EXPECT_EQ(at("uint8").as<uint8_t>()[0], 200);
  EXPECT_EQ(at("bool").dtype, DType::kBool);
  EXPECT_EQ(at("bool").as<uint8_t>()[0], 1);
  EXPECT_EQ(at("scalar").shape, Shape{});
  EXPECT_EQ(at("scalar").as<float>()[0], 2.5f);
  EXPECT_EQ(at("empty").shape, (Shape{0, 7}));
  EXPECT_EQ(at("parameter").as<float>()[0], 1.5f);
}

TEST_F(TorchPickle, ReadsViewsOfOneStorage) {
  const TorchPickleFile file(kTiny);
  const TensorView& transposed =
      file.at("extra.transposed");  // of [3, 4] with element i = 100 + i / 8
  ASSERT_EQ(transposed.shape, (Shape{4, 3}));
  for (size_t row = 0; row < 4; ++row) {
    for (size_t column = 0; column < 3; ++column)
      EXPECT_EQ(transposed.as<float>()[row * 3 + column],
                100 + static_cast<double>(column * 4 + row) / 8);
  }
  EXPECT_EQ(file.at("extra.column").as<float>()[2], 100 + 9.0 / 8);
  expect_numbered(file.at("extra.row"), 101);
}

// torch.save aligns storages; other writers of the format do not.
TEST_F(TorchPickle, ReadsStoragesWhereverTheyLie) {
  const std::string vector = tensor(storage("FloatStorage", 2), 0, integer(2), integer(1));
  for (size_t shift = 0; shift < 8; ++shift) {
    SCOPED_TRACE(shift);
    write_file(path_, make_zip({{"a/data.pkl", program(dict(text("w") + vector))},
                                {"a/pad", std::string(shift, 'p')},
                                {"a/data/0", little(1.5f) + little(-2.0f)}}));
    const TorchPickleFile file(path_);
    EXPECT_EQ(file.at("w").as<float>()[0], 1.5f);
    EXPECT_EQ(file.at("w").as<float>()[1], -2.0f);
  }
}

TEST_F(TorchPickle, ReadsAPlainStateDict) {
  const std::string whole =
      tensor(storage("FloatStorage", 4), 0, integer(2) + integer(2), integer(2) + integer(1));
  write_file(path_,
             make_zip({{"a/data.pkl", program(dict(text("w") + whole + text("n") + integer(1)))},
                       {"a/data/0", std::string(16, '\0')}}));
  const TorchPickleFile file(path_);
  EXPECT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.at("w").shape, (Shape{2, 2}));
}

TEST_F(TorchPickle, RefusesOtherGlobalsByName) {
  EXPECT_CONTAINS(code_refusal(program("cposix\nsystem\n" + tuple(text("true")) + "R")),
                  "posix.system");
  EXPECT_CONTAINS(code_refusal(program("cbuiltins\neval\n")), "builtins.eval");
  EXPECT_CONTAINS(code_refusal(program("ctorch\nXStorage\n")), "torch.XStorage");
  EXPECT_CONTAINS(code_refusal(program("ctorch\nload\n")), "torch.load");
}

TEST_F(TorchPickle, RefusesOtherInstructions) {
  EXPECT_CONTAINS(code_refusal(program("i")), "instruction 0x69");       // INST would call a class
  EXPECT_CONTAINS(code_refusal(program("}}\x81")), "instruction 0x81");  // NEWOBJ
  EXPECT_CONTAINS(code_refusal(program("\x93")), "instruction 0x93");    // STACK_GLOBAL
  EXPECT_CONTAINS(code_refusal("\x80\x04"
                               "."),
                  "protocol 4");
}

TEST_F(TorchPickle, RefusesBrokenPrograms) {
  EXPECT_CONTAINS(code_refusal(""), "cut off");
  EXPECT_CONTAINS(code_refusal("\x80\x02"), "cut off");
  EXPECT_CONTAINS(code_refusal(program("")), "stack is empty");
  EXPECT_CONTAINS(code_refusal(program("(.")), "stack is empty");
  EXPECT_CONTAINS(code_refusal(program("NN(\x86")), "stack is empty");  // never below the mark
  EXPECT_CONTAINS(code_refusal(program("t")), "no mark");
  EXPECT_CONTAINS(code_refusal(program("h\x05")), "never set");
  EXPECT_CONTAINS(code_refusal(program("X\xff\xff\xff\xff")), "cut off");
  EXPECT_CONTAINS(code_refusal(program("\x8a\x09"
                                       "123456789")),
                  "integer of 9 bytes");
  EXPECT_CONTAINS(code_refusal(program("}(Nu")), "key without a value");
  EXPECT_CONTAINS(code_refusal(program("N)R")), "REDUCE");
  EXPECT_CONTAINS(code_refusal(program("NQ")), "persistent id");
  EXPECT_CONTAINS(code_refusal(program("N}b")), "expected a dict");
  EXPECT_CONTAINS(code_refusal(program("N")), "holds no dict");
  EXPECT_CONTAINS(code_refusal(program("}")), "no tensors");
  EXPECT_CONTAINS(code_refusal(program("}q\x01Nh\x01s")),
                  "no tensors");  // a dict that holds itself
}

TEST_F(TorchPickle, RefusesTensorsThatDoNotFit) {
  const std::string floats = storage("FloatStorage", 4);
  const std::string one = integer(1), two = integer(2), huge = integer(int64_t{1} << 62);
  EXPECT_EQ(tensor_refusal(tensor(floats, 0, two + two, two + one)), "");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 1, two + two, two + one)), "does not fit");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, -1, two, one)), "does not fit");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, huge + huge, one + one)), "does not fit");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, INT64_MAX, two, one)), "does not fit");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, two + two, huge + huge)), "does not fit");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, huge, integer(0))),
                  "does not fit");  // one element, 2^62 times
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, integer(-2), one)), "whole numbers");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, text("2"), one)), "whole numbers");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, two, "")), "1 sizes, 0 strides");
  EXPECT_CONTAINS(tensor_refusal(tensor(floats, 0, two, one, dict(text("conj") + "\x88"))),
                  "conjugation");
  EXPECT_CONTAINS(tensor_refusal(tensor(storage("FloatStorage", 5), 0, two, one)), "has 16 bytes");
  EXPECT_CONTAINS(tensor_refusal(tensor(storage("DoubleStorage", 4), 0, two, one)), "has 16 bytes");
  EXPECT_CONTAINS(tensor_refusal(tensor(storage("FloatStorage", int64_t{1} << 62), 0, two, one)),
                  "has 16 bytes");
  EXPECT_CONTAINS(tensor_refusal(tensor(storage("FloatStorage", 4, "7"), 0, two, one)),
                  "storage '7' is missing");
  const std::string good = tensor(floats, 0, two, one);
  EXPECT_CONTAINS(code_refusal(program(dict(text("w") + good + text("w") + good))), "occurs twice");
  EXPECT_CONTAINS(code_refusal(program(dict(text("\xff") + good))), "not UTF-8");
}

TEST_F(TorchPickle, RefusesEndlessCopies) {
  // 100 transposed views of one storage would be 100 copies of it.
  const int64_t side = 64;
  const std::string view = tensor(storage("FloatStorage", side * side), 0,
                                  integer(side) + integer(side), integer(1) + integer(side));
  std::string items;
  for (int i = 0; i < 100; ++i) items += text(fmt::format("w{}", i)) + view;
  EXPECT_CONTAINS(code_refusal(program(dict(items)), std::string(side * side * 4, '\0')),
                  "larger than the file");
}

TEST_F(TorchPickle, RefusesBrokenArchives) {
  const std::string code = program("}");
  EXPECT_CONTAINS(refusal(""), "too short");
  EXPECT_CONTAINS(refusal(std::string(1000, 'x')), "no zip directory");
  EXPECT_CONTAINS(refusal("\x80\x02\x8a\x0a" + std::string(100, 'x')), "before 1.6");
  EXPECT_CONTAINS(refusal(make_zip({{"a/other", code}})), "no data.pkl");
  EXPECT_CONTAINS(refusal(make_zip({{"a/data.pkl", code}}, 8)), "compressed");
  EXPECT_CONTAINS(refusal(make_zip({{"a/data.pkl", code}, {"a/data.pkl", code}})), "occurs twice");
  EXPECT_CONTAINS(refusal(make_zip({{"a/data.pkl", code}, {"a/byteorder", "big"}})),
                  "byte order 'big'");
}

TEST_F(TorchPickle, RefusesEveryTruncation) {
  const std::string whole = read_file(kTiny);
  for (size_t size = 0; size < whole.size();
       size += size < 200 || size + 200 > whole.size() ? 1 : 97)
    EXPECT_NE(refusal(whole.substr(0, size)), "") << "cut to " << size << " bytes";
}

// A changed byte may go unnoticed in the numbers, but must never end otherwise than in a result or
// a FormatError.
TEST_F(TorchPickle, SurvivesEveryChangedByte) {
  const std::string whole = read_file(kTiny);
  int refused = 0;
  for (size_t i = 0; i < whole.size(); i += 13) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x81);
    if (!refusal(changed).empty()) ++refused;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace tandem
