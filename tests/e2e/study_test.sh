#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A study of two rankers and their retriever with two seeds: killed with SIGKILL and resumed, shared steps run once, the
# table and its files, a changed arm runs alone, an unfair pair is refused. Usage: study_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data

cat > study.yaml << 'YAML'
title: Two rankers
seeds: [1, 2]
threads: 1
candidates: 8
resamples: 200
baseline: letters
datasets: {made: data}
retriever: {train.max_steps: 30, model.width: 16, model.max_length: 10, valid.every: 15}
bases:
  small:
    tokenizer: {style: llama2, vocab-size: 400, titles-as-tokens: true}
    init: {preset: tiny-llama2, hidden-size: 32, layers: 2, heads: 2}
    pretrain: {train.max_steps: 12, train.warmup_steps: 3, train.batch: 8, valid.every: 6, data.history_item: "{title}", data.separator: " "}
prompt: {history_item: "{title}", separator: " ", title_truncation: "chars:20", text: "{history}\n{candidates}\n"}
ranker: {model.tuning: full, train.lr: 1e-3, train.warmup_steps: 2, train.max_steps: 12, train.batch: 8,
         valid.every: 6, checkpoint.every: 3, log.every: 1}
arms:
  letters: {base: small, ranker: {}}
  likelihood: {base: small, score: likelihood}
  lrurec: {retriever: shared}
  popular: {retriever: popularity}
published: {source: nowhere, made: {all: {lrurec: {NDCG@10: .1234}}}}
YAML
"$tandem" study study.yaml --output out --steps > steps.txt
[ "$(grep -c "train retriever" steps.txt)" = 2 ] || fail "the shared retriever is not shared: $(cat steps.txt)"
[ "$(grep -c "train tokenizer" steps.txt)" = 1 ] || fail "the tokenizer is trained twice"

"$tandem" study study.yaml --output out > first.txt 2> first.log &
process=$!
for ((i = 0; i < 2400; ++i)); do
  kill -0 $process 2> /dev/null || break
  lines=$(cat out/steps/*letters-train-ranker*/out/metrics.jsonl 2> /dev/null | wc -l)
  [ "$lines" -lt 4 ] || break
  sleep 0.05
done
kill -KILL $process 2> /dev/null || fail "the study ended before it was killed: $(cat first.log)"
wait $process 2> /dev/null || true

code=0
"$tandem" study study.yaml --output out > /dev/null 2>&1 || code=$?
[ $code = 2 ] || fail "a study in the folder was overwritten, exit code $code"
"$tandem" study study.yaml --output out --resume > table.txt 2> second.log || fail "$(cat second.log)"
grep -q "steps are done already" second.log || fail "finished steps ran again: $(cat second.log)"
grep -q "step .* of .* (made, seed 2, letters: train ranker)" second.log || fail "no progress: $(cat second.log)"
if grep -q "seed 1, retriever: train retriever" second.log; then fail "the retriever was trained again"; fi

for text in "All 114 users" "Subset: users whose" "likelihood - letters" "average relative improvement" \
  "published 0.1234" "training candidates" "title text" "equal in"; do
  grep -q "$text" table.txt || fail "'$text' is not in the table: $(cat table.txt)"
done
grep -q "Among all users only: popular; they do not rank these candidates" table.txt || fail "popular stands in the subset"
python3 - out/results.json << 'PYTHON' || fail "results.json has popular in the subset"
import json, sys
made = json.load(open(sys.argv[1]))["datasets"][0]
assert [a["arm"] for a in made["arms"] if "subset" in a] == ["letters", "likelihood", "lrurec"], made["arms"]
assert {c["arm"]: "subset" in c for c in made["comparisons"]} == {"likelihood": True, "lrurec": True, "popular": False}
PYTHON
grep -q '"average_relative_improvement_percent"' out/results.json || fail "results.json lacks the improvement"
grep -q '<svg' out/report.html || fail "report.html has no picture"
grep -q '"finished": true' out/steps/*seed-1-letters-train-ranker*/step.json || fail "no mark"

"$tandem" study study.yaml --output out --resume --json > again.json 2> third.log
if grep -q "info step" third.log; then fail "a finished study ran steps: $(cat third.log)"; fi
cmp again.json out/results.json || fail "printed and written results differ"

# A ranker's run of an older version has no facts: named, with what to do.
run=$(echo out/steps/*seed-1-letters-train-ranker*/out)
cp "$run/run.json" run.json
python3 - "$run/run.json" << 'PYTHON'
import json, sys
run = json.load(open(sys.argv[1]))
assert sorted(run.pop("facts")) == ["candidates_valid", "first_epoch", "titles", "tokenizer"], run
json.dump(run, open(sys.argv[1], "w"))
PYTHON
code=0
"$tandem" study study.yaml --output out --resume > /dev/null 2> facts.log || code=$?
[ $code = 3 ] && grep -q "train-ranker.*/out has no facts: trained by an older version" facts.log ||
  fail "a run without facts: $code $(cat facts.log)"
cp run.json "$run/run.json"

# Another title text in one arm: the likelihood arm alone is run again, and then refused.
sed 's/likelihood: {base/likelihood: {prompt: {title_truncation: "chars:1"}, base/' study.yaml > unfair.yaml
code=0
"$tandem" study unfair.yaml --output out --resume > unfair.txt 2> unfair.log || code=$?
[ $code = 3 ] || fail "an unfair pair gave exit code $code: $(cat unfair.log)"
grep -q "title text differs: .* in letters; .* in likelihood" unfair.log || fail "no reason: $(cat unfair.log)"
if grep -q "train" unfair.log; then fail "more than the changed arm ran: $(cat unfair.log)"; fi

# The same arm with two seeds has other candidates: compare refuses, too.
code=0
"$tandem" compare out/steps/*seed-1-letters-evaluate*/out/all/letters \
  out/steps/*seed-2-letters-evaluate*/out/all/letters > /dev/null 2> compare.log || code=$?
[ $code = 3 ] && grep -q "candidate set: " compare.log || fail "compare of two seeds: $code $(cat compare.log)"
"$tandem" compare out/steps/*seed-1-letters-evaluate*/out/all/lrurec out/steps/*seed-1-letters-evaluate*/out/all/letters \
  --output comparison > /dev/null
for file in comparison.json comparison.svg comparison.html; do
  [ -s comparison/$file ] || fail "compare wrote no $file"
done

# A folder of several evaluations is answered with what it holds and a command that works.
code=0
"$tandem" compare out/steps/*seed-1-letters-evaluate*/out > /dev/null 2> holds.log || code=$?
[ $code = 2 ] && grep -q "holds 4 evaluations" holds.log || fail "compare of one folder: $code $(cat holds.log)"
command=$(grep -o "tandem compare .*" holds.log)
"$tandem" ${command#tandem } > verdict.txt || fail "the command that compare shows does not work: $command"
head -1 verdict.txt | grep -Eq "^No difference| than " || fail "compare opens without a verdict: $(cat verdict.txt)"
code=0
"$tandem" compare out out > /dev/null 2> holds.log || code=$?
[ $code = 2 ] && grep -q "it is a study" holds.log || fail "compare of a study: $code $(cat holds.log)"
for page in out/report.html comparison/comparison.html; do
  if grep -q "https*://" $page; then fail "$page names something outside"; fi
done
cat table.txt
