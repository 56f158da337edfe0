#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run killed with SIGKILL at random moments and resumed ends with the same bits as an undisturbed one; SIGINT saves
# and exits with 4. A run goes on with other limits, which it tells, and with nothing else; one process trains in it.
# Usage: resume_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
make_dataset "$tandem" "$work/data"

# An array and not a function, so that `&` gives the program's own process.
train=("$tandem" --quiet train retriever --dataset "$work/data" --threads 1 --set train.max_steps=160
  --set train.batch=8 --set model.width=16 --set model.max_length=10 --set valid.every=20 --set checkpoint.every=7
  --set log.every=1)
digest() { sha256sum < "$work/$1/model.safetensors"; }

"${train[@]}" --output "$work/whole"

kills=0
for attempt in 1 2 3 4 5 6; do
  "${train[@]}" --output "$work/killed" --resume &
  process=$!
  # Long enough to reach different steps in each attempt; the first may end before the first checkpoint.
  for ((i = 0; i < 200; ++i)); do
    kill -0 $process 2>/dev/null || break
    lines=$(cat "$work/killed/metrics.jsonl" 2>/dev/null | wc -l)
    ((lines < attempt * 23 + RANDOM % 9)) || break
    sleep 0.05
  done
  if kill -KILL $process 2>/dev/null; then kills=$((kills + 1)); fi
  wait $process 2>/dev/null || true
done
((kills > 0)) || fail "no run was killed"
"${train[@]}" --output "$work/killed" --resume
[ "$(digest whole)" = "$(digest killed)" ] || fail "killed $kills times, the model differs"
[ "$(values_of loss "$work/whole")" = "$(values_of loss "$work/killed")" ] || fail "the loss curve differs"

"${train[@]}" --output "$work/stopped" --set train.max_steps=100000 --set valid.patience=0 --set train.epochs=100000 &
process=$!
# However slow the machine is: before the first steps, SIGINT just ends the program.
while kill -0 $process 2>/dev/null; do
  [ "$(cat "$work/stopped/metrics.jsonl" 2>/dev/null | wc -l)" -lt 5 ] || break
  sleep 0.05
done
for flag in --resume --overwrite; do
  refused 1 "process $process on .* is training in this folder" "${train[@]}" --output "$work/stopped" $flag
done
kill -INT $process
code=0
wait $process || code=$?
[ $code = 4 ] || fail "SIGINT: exit code $code, expected 4"
ls "$work"/stopped/state/last-*/trainer.safetensors > /dev/null || fail "SIGINT saved no checkpoint"
[ ! -e "$work/stopped/lock" ] || fail "the lock stays"

# Limits may change: the steps so far are the same, and run.json tells old and new.
"${train[@]}" --output "$work/longer" --set train.max_steps=200
cp -r "$work/whole" "$work/going-on"
resume=("$tandem" --quiet train retriever --output "$work/going-on" --resume --threads 2)
"${resume[@]}" --dataset "$work/data" --set train.max_steps=200
[ "$(values_of loss "$work/longer")" = "$(values_of loss "$work/going-on")" ] || fail "with a later end, another loss curve"
tr -d ' \n' < "$work/going-on/run.json" > "$work/flat.json"
grep -q '"train.max_steps":{"from":"160","to":"200"}' "$work/flat.json" || fail "run.json: $(cat "$work/flat.json")"
grep -q '"threads":{"from":"1","to":"2"}' "$work/flat.json" || fail "run.json: $(cat "$work/flat.json")"
grep -q '^train.max_steps: 200$' "$work/going-on/config.yaml" || fail "config.yaml has the old end"

# Nothing else may, and a refused run stays as it is.
before=$(cat "$work"/going-on/*.* | sha256sum)
refused 2 "going-on: --resume cannot change seed (42 -> 7)" "${resume[@]}" --dataset "$work/data" --set seed=7
refused 2 "cannot change model.width (16 -> 8).*train.lr (0.001 -> 0.01)" \
  "${resume[@]}" --dataset "$work/data" --set train.lr=0.01 --set model.width=8
sed 's/,i1,/,i2,/' "$work/data.csv" > "$work/other.csv"
"$tandem" --quiet data import --format csv --input "$work/other.csv" --output "$work/other"
refused 2 "cannot change dataset_fingerprint" "${resume[@]}" --dataset "$work/other"
refused 2 'is a run of `tandem train retriever`' "$tandem" --quiet train ranker --dataset "$work/data" --base "$work" \
  --output "$work/going-on" --resume
[ "$before" = "$(cat "$work"/going-on/*.* | sha256sum)" ] || fail "a refused --resume changed the run"
echo "killed $kills times, same SHA-256: $(digest whole)"
