#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two processes give the loss curve of one within 1e-5, dropout included. Usage: mpi_test.sh TANDEM
set -eu
tandem=$1
command -v mpirun > /dev/null || { echo "SKIP: no mpirun"; exit 77; }
. "$(dirname "$0")/tiny_dataset.sh"
make_dataset "$tandem" "$work/data"

for model in lrurec sasrec narm bert4rec hstu llmid; do
  train="--quiet train retriever --dataset $work/data --threads 1 --set model.type=$model --set train.max_steps=40
    --set train.batch=9 --set model.width=16 --set model.max_length=10 --set valid.every=20 --set log.every=1"
  "$tandem" $train --output "$work/one-$model"
  mpirun --allow-run-as-root --oversubscribe -np 2 "$tandem" $train --output "$work/two-$model"
  "$tandem" $train --set train.batch=3 --set train.accumulate=3 --output "$work/parts-$model"
  for other in two parts; do
    paste <(values_of loss "$work/one-$model") <(values_of loss "$work/$other-$model") | awk -v name="$other-$model" '
      { d = $1 > $2 ? $1 - $2 : $2 - $1; if (d > worst) worst = d; ++steps }
      END {
        printf "%s: %d steps, largest difference of the loss %.1e\n", name, steps, worst
        exit !(steps == 40 && worst <= 1e-5)
      }' || fail "the loss curve of $other-$model is another"
  done
done

# The first process takes the run's lock; all end when it cannot.
code=0
flock "$work/two-lrurec/lock" timeout 100 mpirun --allow-run-as-root --oversubscribe -np 2 "$tandem" --quiet train retriever \
  --dataset "$work/data" --threads 1 --resume --output "$work/two-lrurec" 2> "$work/message" || code=$?
[ $code = 1 ] && grep -q "another process is training in this folder" "$work/message" ||
  fail "a locked run: exit code $code, $(cat "$work/message")"
