#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HLLM from the command line on generated data and random towers: a model that is trained; chunks, parts of a step and two
# processes follow one; a killed run resumes to the same bits; a second stage with the items encoded once; the authors'
# draws; a collapse is told. Usage: hllm_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
make_titled_dataset "$tandem" "$work/data"
"$tandem" --quiet model init --preset tiny --vocab-size 400 --hidden-size 32 --layers 2 --heads 2 --stddev 0.2 --output "$work/base"
"$tandem" --quiet tokenizer train --input "$work/data" --vocab-size 300 --output "$work/base" > "$work/tokenizer.txt"

train=("$tandem" --quiet train hllm --threads 1 --set item.layers=1 --set user.layers=1
  --set train.batch=12 --set train.lr=1e-3 --set text.prompt=Item: --set text.max_tokens=32 --set log.every=1 --set valid.every=10
  --set checkpoint.every=4 --set valid.users=60)
base=(--base "$work/base" --dataset "$work/data")

# worst OTHER: the largest difference of its losses from those of `whole`.
follows() {
  paste <(values_of loss "$work/whole") <(values_of loss "$work/$1") | awk -v name="$1" -v limit="$2" '
    { d = $1 > $2 ? $1 - $2 : $2 - $1; if (d > worst) worst = d; ++steps }
    END { printf "%s: %d steps, largest difference of the loss %.1e\n", name, steps, worst; exit !(steps == 20 && worst <= limit) }
  ' || fail "the loss curve of $1 is another"
}

"${train[@]}" "${base[@]}" --set train.max_steps=20 --output "$work/whole"
for file in config.json item_llm/model.safetensors item_llm/tokenizer.json user_llm/config.json extra_parameters.safetensors items.bin; do
  [ -e "$work/whole/$file" ] || fail "no $file in the run"
done
grep -q '"nce_samples"' "$work/whole/metrics.jsonl" || fail "metrics.jsonl does not tell how many negatives are left"
"${train[@]}" "${base[@]}" --set train.max_steps=20 --set model.chunk_tokens=100 --output "$work/chunks"
follows chunks 1e-5
"${train[@]}" "${base[@]}" --set train.max_steps=20 --set train.batch=4 --set train.accumulate=3 --output "$work/parts"
follows parts 1e-5
if command -v mpirun > /dev/null; then
  mpirun --allow-run-as-root --oversubscribe -np 2 "${train[@]}" "${base[@]}" --set train.max_steps=20 --output "$work/two"
  follows two 1e-5
fi

# Killed and resumed: the same bits.
"${train[@]}" "${base[@]}" --set train.max_steps=20 --output "$work/killed" &
process=$!
while kill -0 $process 2> /dev/null; do
  [ "$(cat "$work/killed/metrics.jsonl" 2> /dev/null | wc -l)" -lt 9 ] || break
  sleep 0.05
done
kill -KILL $process 2> /dev/null || true
wait $process 2> /dev/null || true
"${train[@]}" "${base[@]}" --set train.max_steps=20 --resume --output "$work/killed"
for file in item_llm/model.safetensors user_llm/model.safetensors extra_parameters.safetensors; do
  cmp "$work/whole/$file" "$work/killed/$file" || fail "a resumed run has another $file"
done

# The second stage: the User LLM alone, on longer histories; the Item LLM stays as it is.
"${train[@]}" --base "$work/whole" --dataset "$work/data" --set item.tuning=frozen --set train.freeze=item_emb_tokens --set model.max_length=20 \
  --set train.max_steps=40 --set train.lr=5e-3 --set item.layers=0 --set user.layers=0 --output "$work/second"
cmp "$work/whole/item_llm/model.safetensors" "$work/second/item_llm/model.safetensors" || fail "a frozen Item LLM has changed"
! cmp -s "$work/whole/user_llm/model.safetensors" "$work/second/user_llm/model.safetensors" || fail "the User LLM has not changed"

"${train[@]}" "${base[@]}" --set train.max_steps=3 --set model.shared_towers=true --set user.layers=0 --output "$work/shared"
[ ! -e "$work/shared/user_llm" ] || fail "shared towers, and yet two"
for variant in model.pooling=mean item.tuning=lora data.compat=true data.split=false nce.negatives=3; do
  "${train[@]}" "${base[@]}" --set train.max_steps=3 --set "$variant" --output "$work/variant" --overwrite
done

cut -d, -f1,2,4 "$work/data.csv" > "$work/timeless.csv"
"$tandem" --quiet data import --format csv --input "$work/timeless.csv" --output "$work/timeless"

# Times: the engine answers from the folder as the model did at the end of its training, and other times give other answers.
"${train[@]}" "${base[@]}" --set train.max_steps=40 --set valid.every=20 --set valid.metric=NDCG@10 --set model.time_width=4 \
  --set valid.users=0 --output "$work/timed"
"$tandem" --quiet train retriever --threads 1 --dataset "$work/data" --set model.type=hstu --set model.relative_bias=true --set model.width=16 \
  --set model.max_length=50 --set train.lr=1e-2 --set train.max_steps=20 --set valid.every=20 --set valid.exclude_history=true \
  --set valid.metric=NDCG@10 --output "$work/hstu"
ndcg() {  # RUN DATASET -> NDCG@10 of the validation items
  rm -rf "$work/asked"
  "$tandem" --quiet eval --retriever "$work/$1" --dataset "$2" --split valid --exclude history --output "$work/asked" > /dev/null
  tr -d ' \n' < "$work/asked/metrics.json" | grep -o '"name":"NDCG@10","value":[0-9.e-]*' | cut -d: -f3
}
sed 's/,1\([0-9]*\),/,9\1000,/' "$work/data.csv" > "$work/later.csv"
"$tandem" --quiet data import --format csv --input "$work/later.csv" --output "$work/later"
for run in timed hstu; do
  trained=$(values_of NDCG@10 "$work/$run" | sort -g | tail -1) asked=$(ndcg $run "$work/data") later=$(ndcg $run "$work/later" 2> /dev/null)
  awk -v run="$run" -v trained="$trained" -v asked="$asked" -v later="$later" 'BEGIN {
    printf "%s: NDCG@10 %.4f in training, %.4f asked, %.4f at other times\n", run, trained, asked, later
    d = trained - asked
    exit !(trained > 0 && d < 2e-3 && d > -2e-3 && later != asked)
  }' || fail "$run: times are not read as they were trained"
done
# Candidates are judged: late and early fusion, in parts and in pieces as in one, and after the retriever.
for form in late early; do
  judge=("${train[@]}" "${base[@]}" --set train.max_steps=20 --set "rank.form=$form" --set rank.candidates=10 --set valid.metric=AUC)
  "${judge[@]}" --output "$work/$form"
  for key in judgement AUC judged_NDCG@10; do
    grep -q "\"$key\"" "$work/$form/metrics.jsonl" || fail "rank.form=$form: no $key in metrics.jsonl"
  done
  cp -r "$work/whole" "$work/kept" && rm -r "$work/whole" && cp -r "$work/$form" "$work/whole"
  "${judge[@]}" --set train.batch=4 --set train.accumulate=3 --set model.chunk_tokens=100 --output "$work/$form-parts"
  follows $form-parts 1e-5
  rm -r "$work/whole" && mv "$work/kept" "$work/whole"
  "$tandem" --quiet eval --judge "$work/$form" --dataset "$work/data" --retriever "$work/hstu" --fuse --json > "$work/judged.json"
  for key in judgement auc fused; do grep -q "\"$key\"" "$work/judged.json" || fail "eval --judge tells no $key"; done
done
"$tandem" --quiet recommend --judge "$work/late" --run "$work/hstu" --dataset "$work/data" --user u7 | grep -q judgement ||
  fail "recommend does not show the judgement"
refused 2 "does not judge candidates; train it with rank.form=late or early" \
  "$tandem" --quiet eval --judge "$work/timed" --dataset "$work/data" --retriever "$work/hstu"
refused 2 "valid.metric is AUC, which rank.form makes" "${train[@]}" "${base[@]}" --set valid.metric=AUC --output "$work/none"
refused 2 "generate has no effect here; it needs --ranker or --likelihood" \
  "$tandem" --quiet eval --judge "$work/late" --generate --dataset "$work/data" --retriever "$work/hstu"

refused 3 "has no times, which model.time_width = 4 reads" \
  "${train[@]}" --base "$work/base" --dataset "$work/timeless" --set model.time_width=4 --output "$work/none"
refused 2 "model.time_width is 8, but $work/timed has tables of width 4" \
  "${train[@]}" --base "$work/timed" --dataset "$work/data" --set item.layers=0 --set user.layers=0 --set model.time_width=8 --output "$work/none"

refused 3 "no item of $work/data-ids has a text" "${train[@]}" --base "$work/base" --dataset "$work/data-ids" --output "$work/none"
refused 2 "text.max_tokens is 3: the 60 items of .* have the same tokens" "${train[@]}" "${base[@]}" --set text.max_tokens=3 --output "$work/none"
refused 1 "the towers have collapsed" "${train[@]}" "${base[@]}" --set nce.threshold=-1 --output "$work/collapsed"
refused 2 "item.layers is 99, but the base has" "${train[@]}" "${base[@]}" --set item.layers=99 --output "$work/none"
refused 2 "valid.metric is 'NDCG@7'; expected Recall, NDCG or MRR @1, 5, 10, 20, 50 or 200" \
  "${train[@]}" "${base[@]}" --set valid.metric=NDCG@7 --output "$work/none"
