#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a training says before and after: --dry-run, too long a warm-up, an untrained result, too little memory, presets.
# Usage: training_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data
"$tandem" --quiet model init --preset tiny --vocab-size 400 --hidden-size 32 --layers 2 --heads 2 --output start
"$tandem" --quiet tokenizer train --input data --titles-as-tokens data --vocab-size 300 --output start > /dev/null
retriever=("$tandem" --quiet train retriever --dataset data --threads 1 --set model.width=16 --set train.max_steps=4
  --set valid.every=2 --set log.every=2)
"${retriever[@]}" --output retriever

# dry_run VERB...: it prints what would be done, ends with 0 and writes nothing.
dry_run() {
  "$tandem" "$@" --output dry --dry-run > dry.txt 2> dry.log || fail "$* --dry-run: $(cat dry.log)"
  for line in 'samples  *[1-9]' 'steps  *at most 150, [1-9][0-9]* an epoch$' 'validation  *[1-9].* at most 3 times$' \
    'memory  *about .*B: trained parameters .*B, gradients .*B, optimiser .*B, best parameters .*B, activations of a'; do
    grep -q "^$line" dry.txt || fail "$* --dry-run: no '$line' in $(cat dry.txt)"
  done
  [ ! -e dry ] || fail "$* --dry-run wrote a folder"
}
limits="--set train.max_steps=150 --set valid.every=100 --set train.epochs=1000"
dry_run train retriever --dataset data $limits
dry_run pretrain --model start --dataset data --set data.valid_share=0.2 $limits
dry_run train ranker --dataset data --base start --retriever retriever $limits
"${retriever[@]}" --output retriever --dry-run --overwrite > /dev/null
[ -e retriever/model.safetensors ] || fail "--dry-run --overwrite took a run away"

refused 2 "train.warmup_steps is 4, but the training has 4 steps" "${retriever[@]}" --set train.warmup_steps=4 --output warm
[ ! -e warm ] || fail "a refused training left a folder"

# HSTU by contrast, from training to a recommendation.
"${retriever[@]}" --set model.type=hstu --output hstu
grep -q '"similarity": "cosine"' hstu/config.json || fail "scores of a contrast are no cosines: $(cat hstu/config.json)"
grep -q '"nce_samples"' hstu/metrics.jsonl || fail "the log lacks nce_samples: $(cat hstu/metrics.jsonl)"
"$tandem" --quiet eval --dataset data --retriever hstu --resamples 20 > /dev/null
[ "$("$tandem" --quiet recommend --dataset data --run hstu --user u5 --json -k 3 | grep -c '"score"')" = 3 ] ||
  fail "HSTU recommends nothing to u5"
refused 2 "train.loss is nce; expected softmax for lrurec" "${retriever[@]}" --set train.loss=nce --output nce

# Without a learning rate nothing gets better.
"${retriever[@]}" --set train.lr=0 --output untrained 2> untrained.log
grep -q "what this run delivers is untrained" untrained.log || fail "no warning: $(cat untrained.log)"
grep -q '"untrained": true' untrained/run.json || fail "run.json does not say that the model is untrained"
"$tandem" eval --dataset data --retriever untrained > /dev/null 2> untrained.log
grep -q "untrained: this model is untrained" untrained.log || fail "eval says nothing: $(cat untrained.log)"
grep -q '"untrained": false' retriever/run.json || fail "run.json says that a trained model is untrained"

# 58 GB for one weight, where 8 may be had.
(ulimit -v 8000000 && refused 1 "^tandem: out of memory: .*what lowers it: a smaller train.batch" \
  "${retriever[@]}" --set model.width=60000 --output large) || exit 1
[ "$(wc -l < message)" = 1 ] || fail "out of memory in several lines: $(cat message)"

"$tandem" model info tiny-llama3 --tensors > info.txt
grep -q "^parameters  *[0-9.]* M in [0-9]* tensors" info.txt && grep -q "embed_tokens.weight" info.txt || fail "$(cat info.txt)"
refused 2 "no preset of this name (tiny, .*llama-3-8b" "$tandem" model info tinny
