#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A GGUF file, whole or in parts, goes where a model's folder goes, and does the same. Usage: gguf_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
command -v python3 > /dev/null || exit 77
here=$(realpath "$(dirname "$0")")
cd "$work"
make_dataset "$tandem" data
same() { cmp "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -5)"; }

"$tandem" --quiet tokenizer train --input data --vocab-size 300 --output words > tokenizer.txt
"$tandem" --quiet model init --preset tiny --tokenizer words --hidden-size 32 --layers 2 --heads 2 --output folder
"$here/write_gguf.py" folder m.gguf
"$here/write_gguf.py" folder m 3

# Every part stands for the whole; a missing one is named.
"$tandem" --quiet model convert m.gguf --output converted --to float32
generate() { "$tandem" --quiet generate --prompt 'i1 i2' --max-new-tokens 6 --json --model "$1"; }
generate folder > folder.json
for model in m.gguf m-00001-of-00003.gguf m-00003-of-00003.gguf converted; do
  generate $model > some.json
  same folder.json some.json
done
grep -q '"chat_template": "{{ messages }}"' converted/tokenizer_config.json || fail "the chat template is lost"
grep -q '"add_bos_token": true' converted/tokenizer_config.json || fail "the BOS flag is lost"
"$tandem" model info --json m-00002-of-00003.gguf > parts.json
"$tandem" model info --json m.gguf > whole.json
same whole.json parts.json
mv m-00002-of-00003.gguf away
refused 3 'm-00001-of-00003.gguf: is part 1 of 3, and part 2 is missing: .*m-00002-of-00003.gguf' \
  "$tandem" model info m-00001-of-00003.gguf
mv away m-00002-of-00003.gguf

# A tokenizer out of the file.
"$tandem" --quiet model init --preset tiny --tokenizer m.gguf --hidden-size 32 --layers 1 --heads 2 --output fresh
cmp fresh/tokenizer.json converted/tokenizer.json || fail "model init took another tokenizer"
refused 2 'neither a folder nor a GGUF file' "$tandem" model init --preset tiny --tokenizer data.csv --output none

# Training from the file gives what training from the folder gives.
"$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=8 --set model.width=16 \
  --set model.max_length=10 --set valid.every=8 --output retriever
for base in m-00001-of-00003.gguf converted; do
  "$tandem" --quiet pretrain --model $base --dataset data --threads 1 --set train.max_steps=6 --set train.batch=8 \
    --set train.warmup_steps=2 --set valid.every=6 --set data.valid_share=0.2 --output "pretrained-$base"
  "$tandem" --quiet train ranker --dataset data --base $base --retriever retriever --threads 1 --set train.max_steps=4 \
    --set train.batch=4 --set train.warmup_steps=1 --set valid.every=4 --set valid.users=5 --set model.tuning=qlora --output "ranker-$base"
done
cmp pretrained-*/model.safetensors || fail "pretrain differs"
cmp ranker-*/adapter/adapter_model.safetensors || fail "train ranker differs"
same pretrained-converted/tokenizer.json converted/tokenizer.json
generate pretrained-m-00001-of-00003.gguf > trained.json
grep -q '"tokens"' trained.json || fail "the trained model does not generate"

# The ranker runs on its base in either form.
for base in m-00001-of-00003.gguf m.gguf converted; do
  "$tandem" --quiet rerank --ranker ranker-m-00001-of-00003.gguf --base $base --history i1 --candidates 'i3; i4' --json > $base.json
  same m-00001-of-00003.gguf.json $base.json
  "$tandem" --quiet recommend --run retriever --dataset data --history i1 --ranker $base -k 3 --json > recommended-$base
  same recommended-m-00001-of-00003.gguf recommended-$base
  "$tandem" --quiet eval --dataset data --retriever retriever --ranker $base --users 5 --output eval-$base > eval.txt
done
