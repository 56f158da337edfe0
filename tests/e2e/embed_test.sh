#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Vectors of an HLLM with random towers: the item matrix in one pass and in shares; files for other
# programs; the verbs that ask a retriever; another import with a new item; a matrix of another model; a checkpoint as the
# authors' trainer writes it. Usage: embed_test.sh TANDEM
set -eu
tandem=$1
command -v python3 > /dev/null || { echo "SKIP: no python3"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data
"$tandem" --quiet tokenizer train --input data --vocab-size 300 --output tokenizer

# make_run FOLDER SEED
make_run() {
  mkdir "$1"
  "$tandem" --quiet model init --arch llama --preset tiny --tokenizer tokenizer --stddev 0.2 --seed "$2" --output "$1/item_llm"
  "$tandem" --quiet model init --arch llama --preset tiny --tokenizer tokenizer --stddev 0.2 --seed 9 --output "$1/user_llm"
  python3 - "$1" <<'PY'
import json, random, struct, sys
run = sys.argv[1]
width = json.load(open(run + "/item_llm/config.json"))["hidden_size"]
random.seed(5)
values = [random.gauss(0, 0.5) for _ in range(width)] + [2.66]
header = json.dumps({"item_emb_tokens": {"dtype": "F32", "shape": [1, 1, width], "data_offsets": [0, 4 * width]},
                     "logit_scale": {"dtype": "F32", "shape": [], "data_offsets": [4 * width, 4 * width + 4]}}).encode()
header += b" " * (-len(header) % 8)
with open(run + "/extra_parameters.safetensors", "wb") as file:
  file.write(struct.pack("<Q", len(header)) + header + struct.pack("<%df" % len(values), *values))
json.dump({"model_type": "hllm", "num_items": 60, "width": width, "max_length": 10, "max_text_length": 16,
           "item_prompt": "Compress: ", "item_keys": ["title"]}, open(run + "/config.json", "w"))
PY
}
make_run run 1

# Without a matrix all items are encoded at opening; with one nothing is; the recommendations are the same.
recommend() { "$tandem" recommend --run "$1" --dataset "$2" --history "$3" --json -k 20 2> log; }
recommend run data "i1; i2; i3" > before.json
grep -q "encoding the text of 60 items" log || fail "nothing said: $(cat log)"
"$tandem" --quiet embed --run run --dataset data --items > out.txt
[ -s run/item_vectors.safetensors ] && [ ! -e run/item_vectors.parts ] || fail "no item matrix"
recommend run data "i1; i2; i3" > after.json
! grep -q "encoding" log || fail "items are encoded again: $(cat log)"
cmp before.json after.json || fail "with the matrix other items are recommended"

# In shares, of which the last call makes the same file.
mv run/item_vectors.safetensors whole.safetensors
for part in 2/2 1/2; do "$tandem" --quiet embed --run run --dataset data --items --part $part > /dev/null; done
[ ! -e run/item_vectors.safetensors ] || fail "a share wrote the whole"
"$tandem" --quiet embed --run run --dataset data --items > /dev/null
cmp run/item_vectors.safetensors whole.safetensors || fail "two shares give another matrix than one pass"
refused 2 "expected I/N" "$tandem" embed --run run --dataset data --items --part 3/2

# The other types are nearly the same, and smaller.
for type in bf16 int8; do
  cp -r run $type
  "$tandem" --quiet embed --run $type --dataset data --items --dtype $type > /dev/null
  [ "$(stat -c %s $type/item_vectors.safetensors)" -lt "$(stat -c %s whole.safetensors)" ] || fail "$type is no smaller"
  recommend $type data "i1; i2; i3" | python3 -c '
import json, sys
want = {r["item_id"]: r["score"] for r in json.load(open("before.json"))["recommendations"]}
got = {r["item_id"]: r["score"] for r in json.load(sys.stdin)["recommendations"]}
both = want.keys() & got.keys()
assert len(both) >= 15, both
assert max(abs(want[i] - got[i]) for i in both) < 0.02' || fail "$type recommends other items"
done

# Files for other programs: the same numbers in all forms.
for what in items users; do
  for ending in npy safetensors jsonl; do
    "$tandem" --quiet embed --run run --dataset data --$what --output $what.$ending > /dev/null
  done
done
python3 - <<'PY' || fail "the forms differ"
import json, struct
for what, first in (("items", "i0"), ("users", "u1")):
  lines = [json.loads(line) for line in open(what + ".jsonl")]
  count = len(lines)
  assert count == 60 or what == "users" and 100 < count <= 120, count
  assert any(line["id"] == first for line in lines)
  flat = [x for line in lines for x in line["vector"]]
  data = open(what + ".npy", "rb").read()
  start = 10 + struct.unpack("<H", data[8:10])[0]
  assert start % 64 == 0 and b"(%d, %d)" % (count, len(lines[0]["vector"])) in data[:start]
  npy = struct.unpack("<%df" % len(flat), data[start:])
  assert max(abs(a - b) for a, b in zip(npy, flat)) < 1e-6
  data = open(what + ".safetensors", "rb").read()
  size = struct.unpack("<Q", data[:8])[0]
  header = json.loads(data[8:8 + size])
  part = lambda name: data[8 + size + header[name]["data_offsets"][0]:8 + size + header[name]["data_offsets"][1]]
  assert struct.unpack("<%df" % len(flat), part("vectors")) == npy
  ends = struct.unpack("<%dq" % count, part("id_ends"))
  ids = [part("ids")[a:b].decode() for a, b in zip((0,) + ends, ends)]
  assert ids == [line["id"] for line in lines]
PY
refused 2 "ends in .npy" "$tandem" embed --run run --dataset data --items --output items.csv
refused 2 "npy has no int8" "$tandem" embed --run run --dataset data --items --output more.npy --dtype int8
refused 2 "users needs --output" "$tandem" embed --run run --dataset data --users

# Verbs that take a retriever.
"$tandem" --quiet eval --retriever run --dataset data --exclude history --resamples 50 --output eval --json > eval.json
"$tandem" --quiet retrieve --run run --dataset data --output candidates.safetensors > /dev/null
grep -q '"hllm"' eval.json || fail "eval does not name the model: $(head -c 300 eval.json)"

# A later import with a new item: it is encoded from its text, the others are matched by id.
sed 's/,i7,/,a,/' data.csv > later.csv
"$tandem" --quiet data import --format csv --input later.csv --output later --min-user 0 --min-item 0
recommend run later "i1; a; i3" > later.json
grep -q "knows 59 of 60 items by their ids and 1 by their text" log || fail "nothing said: $(cat log)"

# The matrix of another Item LLM.
make_run other 2
cp run/item_vectors.safetensors other/
refused 3 "made by another Item LLM" "$tandem" recommend --run other --dataset data --history i1
"$tandem" --quiet embed --run other --dataset data --items > /dev/null
recommend other data "i1; i2; i3" > other.json
! cmp -s other.json before.json || fail "another model recommends the same"

# One flat pickle of both towers, heads and tables included.
python3 - <<'PY'
import json, struct
def tensors(path):
  data = open(path, "rb").read()
  size = struct.unpack("<Q", data[:8])[0]
  for name, entry in json.loads(data[8:8 + size]).items():
    if name != "__metadata__":
      begin, end = entry["data_offsets"]
      yield name, entry, data[8 + size + begin:8 + size + end]
header, body = {}, b""
for prefix, path in (("item_llm.", "run/item_llm/model.safetensors"), ("user_llm.", "run/user_llm/model.safetensors"),
                     ("", "run/extra_parameters.safetensors")):
  for name, entry, data in tensors(path):
    header[prefix + name] = dict(entry, data_offsets=[len(body), len(body) + len(data)])
    body += data
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open("flat.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)
PY
python3 "$here/write_pth.py" flat.safetensors pytorch_model.bin
refused 2 "base names the folder" "$tandem" model convert pytorch_model.bin --output converted
"$tandem" --quiet model convert pytorch_model.bin --base run/item_llm --output converted --max-length 10 --max-text-length 16 \
  --item-prompt "Compress: " --item-keys title
recommend converted data "i1; i2; i3" > converted.json
cmp before.json converted.json || fail "the converted checkpoint recommends other items"
! grep -aq "lm_head" converted/item_llm/model.safetensors converted/user_llm/model.safetensors || fail "a head was kept"
! grep -aq "embed_tokens" converted/user_llm/model.safetensors || fail "the User LLM's word table was kept"
mkdir -p HLLM-0.pth/checkpoint
touch HLLM-0.pth/checkpoint/zero_pp_rank_0_mp_rank_00_optim_states.pt
refused 3 "zero_to_fp32.py" "$tandem" model convert HLLM-0.pth --output more
