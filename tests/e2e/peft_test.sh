#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An adapter of `train ranker` is loaded by the real PEFT and gives the letter logits that `rerank` gives. Skipped where
# Python (TANDEM_PYTHON, else python3) has no peft. Usage: peft_test.sh TANDEM
set -eu
tandem=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${TANDEM_PYTHON:-python3}
if ! "$python" -c 'import peft, transformers, torch' 2>/dev/null; then
  echo "skipped: $python has no peft, transformers and torch"
  exit 77
fi
. "$here/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data
"$tandem" --quiet tokenizer train --input data --titles-as-tokens data --vocab-size 300 --output tokenizer > tokenizer.txt
"$tandem" --quiet model init --preset tiny --tokenizer tokenizer --hidden-size 32 --layers 2 --heads 2 --output base
"$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=20 --set model.width=16 \
  --set model.max_length=10 --output retriever
"$tandem" --quiet train ranker --dataset data --base base --retriever retriever --output ranker --threads 1 \
  --set train.lr=1e-2 --set train.warmup_steps=2 --set train.max_steps=8 --set train.batch=6 --set valid.every=4
"$python" "$here/peft_check.py" "$tandem" base ranker
