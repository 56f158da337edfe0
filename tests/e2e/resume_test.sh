#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run killed with SIGKILL at random moments and resumed ends with the same bits as an undisturbed one; SIGINT saves
# and exits with 4. Usage: resume_test.sh TANDEM
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
kill -INT $process
code=0
wait $process || code=$?
[ $code = 4 ] || fail "SIGINT: exit code $code, expected 4"
ls "$work"/stopped/state/last-*/trainer.safetensors > /dev/null || fail "SIGINT saved no checkpoint"
echo "killed $kills times, same SHA-256: $(digest whole)"
