#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run's weights as an authors' .pth and as a bare .safetensors give the same candidates, metrics and recommendations as
# the run folder, and those are what plain Python computes; what reading verbs print with --json is JSON.
# Usage: checkpoint_test.sh TANDEM
set -eu
tandem=$1
command -v python3 > /dev/null || { echo "SKIP: no python3"; exit 77; }
here=$(dirname "$0")
. "$here/tiny_dataset.sh"
make_dataset "$tandem" "$work/data"
"$tandem" --quiet train retriever --dataset "$work/data" --threads 1 --set train.max_steps=20 --set train.batch=8 \
  --set model.width=16 --set model.max_length=10 --output "$work/run"
mkdir "$work/bare"
python3 "$here/write_pth.py" "$work/run/model.safetensors" "$work/bare/best_acc_model.pth"
cp "$work/run/model.safetensors" "$work/bare/weights.safetensors"

# json NAME VERB...: runs it with --json and keeps what it prints, which must be one JSON value.
json() {
  local name=$1
  shift
  "$tandem" --quiet "$@" --json > "$work/$name.json" || fail "$* --json: exit code $?"
  python3 -m json.tool "$work/$name.json" > /dev/null || fail "$* --json: $(head -c 300 "$work/$name.json")"
}

for model in run bare/best_acc_model.pth bare/weights.safetensors; do
  name=$(basename "$model")
  json "retrieve-$name" retrieve --run "$work/$model" --dataset "$work/data" --max-length 10 -k 5 \
    --output "$work/candidates-$name.safetensors"
  json "eval-$name" eval --retriever "$work/$model" --dataset "$work/data" --max-length 10 --resamples 100 \
    --baseline popularity --output "$work/eval-$name"
  json "recommend-$name" recommend --run "$work/$model" --dataset "$work/data" --max-length 10 --user u5
  cmp "$work/eval-run/ranks.tsv" "$work/eval-$name/ranks.tsv" || fail "$name ranks otherwise than the run"
  cmp "$work/candidates-run.safetensors" "$work/candidates-$name.safetensors" || fail "$name has other candidates"
  cmp "$work/recommend-run.json" "$work/recommend-$name.json" || fail "$name recommends otherwise"
done

# The numbers are right, and not only the same three times: the model once more in plain Python.
json ranked eval --retriever "$work/run" --dataset "$work/data" --max-length 10 --resamples 100 --exclude none \
  --output "$work/eval-ranked"
json recommended recommend --run "$work/run" --dataset "$work/data" --max-length 10 --exclude none --user u5 -k 10
python3 "$here/lrurec_check.py" "$work/run" "$work/data" "$work/data.csv" "$work/eval-ranked/ranks.tsv" \
  "$work/recommended.json" || fail "the program's scores are not the model's"

json import data import --format csv --input "$work/data.csv" --output "$work/again"
json describe data describe "$work/data"
json compare compare "$work/eval-run" "$work/eval-weights.safetensors" --resamples 100
json doctor doctor
json bench bench retriever --run "$work/run" --dataset "$work/data" --threads 1
json training bench training --dataset "$work/data" --threads 1 --steps 3 --set model.width=16 --set train.batch=8
"$tandem" --quiet model init --preset tiny --vocab-size 64 --hidden-size 16 --heads 2 --kv-heads 2 --layers 1 \
  --intermediate-size 16 --output "$work/llama"
json model model info "$work/llama"
"$tandem" tokenizer train --input "$work/data" --vocab-size 300 --output "$work/tokenizer" > /dev/null
json tokenize tokenize --tokenizer "$work/tokenizer" "some text"

# What is no checkpoint: one message with the file's name, exit code 3.
head -c 3000 "$work/bare/best_acc_model.pth" > "$work/bare/cut.pth"
code=0
"$tandem" eval --retriever "$work/bare/cut.pth" --dataset "$work/data" 2> "$work/message" || code=$?
[ $code = 3 ] && grep -q 'cut.pth' "$work/message" || fail "cut .pth: exit code $code, $(cat "$work/message")"
echo "a .pth, a .safetensors and the run folder agree"
