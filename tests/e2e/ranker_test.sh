#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a data set to a ranked list: a base pre-trained on histories, a ranker with adapters, QLoRA and full tuning,
# evaluation and comparison. Runs killed with SIGKILL and resumed end with the same bits; the engine ranks as the
# training half validated. Usage: ranker_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data

# Runs "$@" --output $1 --resume, kills it with SIGKILL after $2 lines of metrics.jsonl, and lets it end.
kill_and_resume() {
  local run=$1 lines=$2
  shift 2
  "$@" --output "$run" --resume &
  local process=$!
  for ((i = 0; i < 600; ++i)); do
    kill -0 $process 2>/dev/null || break
    [ "$(cat "$run/metrics.jsonl" 2>/dev/null | wc -l)" -lt "$lines" ] || break
    sleep 0.05
  done
  kill -KILL $process 2>/dev/null || fail "$run ended before it was killed"
  wait $process 2>/dev/null || true
  "$@" --output "$run" --resume
}
same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }
json_number() { grep -o "\"$1\": *[-0-9.e]*" | head -1 | sed 's/.*: *//'; }

"$tandem" --quiet model init --preset tiny --vocab-size 400 --hidden-size 32 --layers 2 --heads 2 --output start
"$tandem" --quiet tokenizer train --input data --titles-as-tokens data --vocab-size 300 --output start > tokenizer.txt

pretrain=("$tandem" --quiet pretrain --model start --dataset data --threads 1 --set train.max_steps=60
  --set train.warmup_steps=10 --set train.batch=8 --set valid.every=20 --set checkpoint.every=7 --set log.every=1 --set data.valid_share=0.2)
"${pretrain[@]}" --output base
kill_and_resume base-killed 25 "${pretrain[@]}"
same base/model.safetensors base-killed/model.safetensors
[ "$(values_of loss base)" = "$(values_of loss base-killed)" ] || fail "the loss curve of pretrain differs"
"$tandem" generate --model base --prompt "(1) i1" --max-new-tokens 4 > generated.txt

"$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=40 --set model.width=16 \
  --set model.max_length=10 --set valid.every=20 --output retriever
for split in valid test; do
  "$tandem" --quiet retrieve --run retriever --dataset data --split $split -k 20 --output $split.safetensors > /dev/null
done

ranker=("$tandem" --quiet train ranker --dataset data --base base --candidates-valid valid.safetensors --threads 1
  --set train.lr=1e-2 --set train.warmup_steps=2 --set train.max_steps=24 --set valid.every=8
  --set checkpoint.every=5 --set log.every=1)
"${ranker[@]}" --set train.batch=6 --output lora
kill_and_resume lora-killed 12 "${ranker[@]}" --set train.batch=6
same lora/adapter/adapter_model.safetensors lora-killed/adapter/adapter_model.safetensors
[ "$(values_of loss lora)" = "$(values_of loss lora-killed)" ] || fail "the loss curve of the ranker differs"

# Neither accumulation nor processes change anything but rounding.
"${ranker[@]}" --set train.batch=2 --set train.accumulate=3 --output lora-parts
others=lora-parts
if command -v mpirun > /dev/null; then
  mpirun --allow-run-as-root --oversubscribe -np 2 "${ranker[@]}" --set train.batch=6 --output lora-two
  others="$others lora-two"
fi
for other in $others; do
  paste <(values_of loss lora) <(values_of loss $other) | awk -v name=$other '
    { d = $1 > $2 ? $1 - $2 : $2 - $1; if (d > worst) worst = d; ++steps }
    END { printf "%s: %d steps, largest difference of the loss %.1e\n", name, steps, worst
          exit !(steps == 24 && worst <= 1e-4) }' || fail "the loss curve of $other is another"
done

# What training found on the validation subset is what the engine finds with the run alone.
"$tandem" --quiet eval --ranker lora --dataset data --retriever valid.safetensors --split valid --json > valid.json
best=$(json_number best < lora/run.json)
engine=$(sed -n '/"letters"/,$p' valid.json | grep -A1 '"NDCG@10"' | json_number value)
awk -v a="$best" -v b="$engine" 'BEGIN { d = a - b; exit !(d < 2e-3 && d > -2e-3 && a > 0) }' ||
  fail "validation NDCG@10 $best in training, $engine in the engine"

"$tandem" --quiet eval --ranker lora --likelihood base --dataset data --retriever test.safetensors --output eval \
  --history-lengths 1,2 --position-bias --permutations 2 --generate --generate-users 2 --resamples 50 --details > eval.txt
[ "$(wc -L < eval.txt)" -le 80 ] || fail "eval prints lines of more than 80 columns"
for part in lists history_length shortened_history position_bias examples generation; do
  grep -q "\"$part\"" eval/beyond_utility.json || fail "no $part in beyond_utility.json"
done
grep -q "by the place of the truth" eval/report.html || fail "report.html shows no position bias"
! grep -q "http" eval/report.html || fail "report.html names something outside"
"$tandem" --quiet report eval lora --dataset data --output report.html > /dev/null
grep -q "Training loss" report.html || fail "report shows no training"
"$tandem" --quiet compare eval/all/lrurec eval/all/letters > compare.txt

# An interrupted evaluation goes on after the users that are done, and ends with the bits of one in one piece. Without
# an output nothing is kept, which the exit code says.
long=("$tandem" eval --ranker lora --dataset data --retriever test.safetensors --permutations 20 --resamples 50)
"${long[@]}" --output whole > /dev/null 2> forecast.txt
grep -q "letters: .* prompts of .* tokens at .* tokens/s: about" forecast.txt || fail "no forecast: $(cat forecast.txt)"
grep -q "memory about" forecast.txt || fail "no forecast of memory: $(cat forecast.txt)"
[ ! -e whole.scores ] || fail "kept scores are left behind"
"${long[@]}" --output parts > /dev/null 2>&1 &
process=$!
for ((i = 0; i < 1200; ++i)); do
  [ "$(stat -c %s parts.scores 2>/dev/null || echo 0)" -lt 6000 ] || break
  sleep 0.02
done
kill -INT $process
code=0
wait $process || code=$?
[ $code = 4 ] && [ -e parts.scores ] && [ ! -e parts ] || fail "interrupted eval: code $code, $(ls -d parts*)"
code=0
"${long[@]}" --output parts > /dev/null 2> error.txt || code=$?
[ $code = 2 ] && grep -q -- "--resume" error.txt || fail "kept scores were passed over: $code, $(cat error.txt)"
code=0
"${long[@]}" --output parts --resume --users 50 > /dev/null 2> error.txt || code=$?
[ $code = 2 ] && grep -q 'users: was "all"' error.txt || fail "another sample was resumed: $code, $(cat error.txt)"
"${long[@]}" --output parts --resume > /dev/null 2>&1
diff -r whole parts || fail "an evaluation in parts ends with other bits"
"${long[@]}" > /dev/null 2> error.txt &
process=$!
for ((i = 0; i < 1200; ++i)); do  # until it is the program (no longer the shell, whose trap would clean up) and catches SIGINT
  ! { [ /proc/$process/exe -ef "$tandem" ] && grep -q "SigCgt:.*[2367abef]$" /proc/$process/status; } || break
  sleep 0.02
done
kill -INT $process
code=0
wait $process || code=$?
[ $code = 130 ] && grep -q "nothing was written" error.txt || fail "interrupted eval without output: $code, $(cat error.txt)"

# Fusion weights come from the validation items: other test items change the ranks and not the weights.
awk -F, -v OFS=, '{ lines[NR] = $0; user[NR] = $1 }
  END { for (i = 1; i <= NR; ++i) {
          split(lines[i], f, ",")
          if (i > 1 && user[i + 1] != user[i] && substr(f[1], 2) > 60) f[2] = "i" (substr(f[2], 2) + 7) % 60
          print f[1], f[2], f[3] } }' data.csv > otherwise.csv
"$tandem" --quiet data import --format csv --input otherwise.csv --output otherwise
for set in data otherwise; do
  "$tandem" --quiet eval --ranker lora --likelihood base --fuse --dataset $set --retriever retriever --resamples 50 \
    --output fused-$set --json > fused-$set.json
done
same fused-data/fusion.json fused-otherwise/fusion.json
[ "$(json_number 'NDCG@10 on validation' < fused-data.json)" = "$(json_number 'NDCG@10 on validation' < fused-otherwise.json)" ] ||
  fail "the weights were found on other users or items"
! cmp -s fused-data/all/fused/ranks.tsv fused-otherwise/all/fused/ranks.tsv || fail "the test items are the same"
grep -q '"letters"' fused-data/fusion.json || fail "$(cat fused-data/fusion.json)"
for system in lrurec letters likelihood fused; do
  [ -e fused-data/all/$system/metrics.json ] && [ -e fused-data/subset/$system/ranks.tsv ] || fail "no folder of $system"
done

# Options that would have no effect with a second stage.
refused() {
  local option=$1 text=$2
  shift 2
  code=0
  "$tandem" --quiet eval --dataset data --retriever test.safetensors "$@" > /dev/null 2> error.txt || code=$?
  [ $code != 0 ] && grep -q -- "$option.*$text" error.txt || fail "eval $*: code $code, $(cat error.txt)"
}
refused --baseline "retriever alone" --ranker lora --baseline popularity
refused --max-length "retriever alone" --ranker lora --max-length 10
refused --set "own prompt" --ranker lora --set prompt.text=x
refused --base "--ranker" --likelihood base --base base
refused --list-size "20 candidates" --ranker lora --list-size 21
refused --examples "--output or --json" --ranker lora --examples 3
refused "'window', asked for is 'none'" "" --ranker lora --exclude none
"$tandem" --quiet eval --dataset data --retriever retriever --ranker lora --exclude none --ks 1,10 --resamples 50 --json > none.json
[ "$(grep -c '"excluded_targets": 0' none.json)" -ge 2 ] && ! grep -q 'Recall@5"' none.json || fail "--exclude and --ks: $(head -40 none.json)"

# pretrain leaves its prompt beside the model; --set goes over it.
grep -q '"history_item"' base/prompt.json || fail "pretrain left no prompt"
likelihood=("$tandem" --quiet eval --likelihood base --dataset data --retriever test.safetensors --resamples 50 --json)
"${likelihood[@]}" > as-pretrained.json
"${likelihood[@]}" --set 'prompt.history_item=({number}) {title}' > as-said.json
same as-pretrained.json as-said.json
"${likelihood[@]}" --set 'prompt.history_item={title}' > otherwise.json
! cmp -s as-pretrained.json otherwise.json || fail "--set does not go over the model's prompt"

code=0
"$tandem" --quiet rerank --ranker lora --dataset data --candidates test.safetensors 2> error.txt || code=$?
[ $code = 2 ] && grep -q "tandem eval" error.txt || fail "rerank without a user: code $code, $(cat error.txt)"
"$tandem" --quiet rerank --base base --dataset data --retriever retriever --user u7 --permutations 3 > user.txt
"$tandem" --quiet rerank --ranker lora --history "i1; i2" --candidates "i3; i4; i5" --json > titles.json
[ "$(grep -c '"letter"' titles.json)" = 3 ] || fail "three candidates, but: $(cat titles.json)"

# What people read of a recommendation are the probabilities of --json as per cent; --precision reaches the models.
recommend=("$tandem" --quiet recommend --run retriever --dataset data --user u7 --likelihood base -k 3)
"${recommend[@]}" --json > recommended.json
"${recommend[@]}" > recommended.txt
for percent in $(python3 -c 'import json
for entry in json.load(open("recommended.json"))["recommendations"]:
    print("%.1f" % (100 * entry["probability"]["likelihood"]))'); do
  grep -qF " $percent %" recommended.txt || fail "$percent % is not in: $(cat recommended.txt)"
done
"${recommend[@]}" --precision bfloat16 --json > rounded.json
! cmp -s recommended.json rounded.json || fail "recommend --precision bfloat16 changes nothing"

few="--set train.max_steps=3 --set train.warmup_steps=1 --set valid.every=3 --set train.batch=4"
"${ranker[@]}" $few --set model.tuning=qlora --set model.checkpoint_layers=true --output qlora
"${ranker[@]}" $few --set model.tuning=full --retriever retriever --set train.negatives=retriever \
  --set train.order=retrieval --set train.only_retrieved=true --set train.eos=false --output full
for run in qlora full; do
  "$tandem" --quiet eval --ranker $run --dataset data --retriever test.safetensors > $run.txt
done

# Cross-fitting: a run killed in a fold goes on there; the ranker binds letters with soft targets, then learns from
# cross-fitted candidates, starting from that run.
folds=("$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=40 --set model.width=16
  --set model.max_length=10 --set valid.every=10 --set checkpoint.every=7 --set log.every=1 --folds 3)
"${folds[@]}" --output folds
"${folds[@]}" --output folds-killed &
process=$!
for ((i = 0; i < 1200; ++i)); do
  [ "$(cat folds-killed/folds/1/metrics.jsonl 2>/dev/null | wc -l)" -lt 15 ] || break
  sleep 0.02
done
kill -KILL $process 2>/dev/null || fail "the folds were done before they were killed"
wait $process 2>/dev/null || true
[ ! -e folds-killed/folds/2/model.safetensors ] || fail "killed in the last fold"
if "${ranker[@]}" --retriever folds-killed --set train.negatives=crossfit --output refused 2> refused.txt; then
  fail "half-trained folds were taken"
fi
grep -q "not finished" refused.txt || fail "$(cat refused.txt)"
"${folds[@]}" --output folds-killed --resume
for part in . folds/0 folds/1 folds/2; do
  same folds/$part/model.safetensors folds-killed/$part/model.safetensors
done
if cmp -s folds/model.safetensors folds/folds/0/model.safetensors; then fail "a fold saw all users"; fi
grep -q "data.fold: 1" folds/folds/1/config.yaml || fail "fold 1 does not say so"
if "${ranker[@]}" --retriever retriever --set train.negatives=crossfit --output refused 2> refused.txt; then
  fail "a retriever without folds was taken"
fi
grep -q "without folds" refused.txt || fail "$(cat refused.txt)"

binding=("${ranker[@]}" --set model.tuning=full --set train.batch=6 --set loss.soft_target=0.7 --set loss.language=0.2)
"${binding[@]}" --output bound
kill_and_resume bound-killed 12 "${binding[@]}"
same bound/model/model.safetensors bound-killed/model/model.safetensors
[ "$(values_of loss bound)" = "$(values_of loss bound-killed)" ] || fail "the loss curve with soft targets differs"
"$tandem" train ranker --dataset data --base bound --retriever folds --threads 1 --set model.tuning=full \
  --set train.max_steps=3 --set train.warmup_steps=1 --set valid.every=3 --set train.batch=4 --set train.negatives=crossfit \
  --set train.order=retrieval --set train.only_retrieved=true --output crossfit 2> crossfit.txt
grep -q "crossfit candidates: answer in the top 20 in .* % of .* training prompts" crossfit.txt || fail "$(cat crossfit.txt)"
"$tandem" --quiet eval --ranker crossfit --dataset data --retriever test.safetensors > crossfit-eval.txt

"${ranker[@]}" --set train.batch=6 --set train.max_steps=100000 --set train.epochs=100000 --set valid.patience=0 \
  --output stopped &
process=$!
for ((i = 0; i < 600; ++i)); do
  [ "$(cat stopped/metrics.jsonl 2>/dev/null | wc -l)" -lt 3 ] || break
  sleep 0.05
done
kill -INT $process
code=0
wait $process || code=$?
[ $code = 4 ] || fail "SIGINT: exit code $code, expected 4"
ls stopped/state/last-*/trainer.safetensors > /dev/null || fail "SIGINT saved no checkpoint"
cat eval.txt compare.txt
