# SPDX-License-Identifier: Apache-2.0
# Loads a ranker's adapter with PEFT and compares its letter logits with those of `tandem rerank`.
# Usage: peft_check.py TANDEM BASE RANKER
import json
import subprocess
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

tandem, base, ranker = sys.argv[1:]


def run(*arguments):
    done = subprocess.run([tandem, "--quiet", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, f"{ranker}/adapter").eval()
answer = run("rerank", "--ranker", ranker, "--history", "i1; i2", "--candidates", "i3; i4; i5", "--json")
tokens = run("tokenize", "--tokenizer", base, "--json", answer["prompt"])
ids = tokens["ids"] if isinstance(tokens, dict) else [token["id"] for token in tokens]
with open(f"{base}/config.json") as file:
    bos = json.load(file).get("bos_token_id")
ids = ([] if bos is None else [bos]) + ids
assert len(ids) == answer["prompt_tokens"], (len(ids), answer["prompt_tokens"])
with open(f"{ranker}/ranker.json") as file:
    labels = json.load(file)["label_ids"]
with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0, -1]
    with model.disable_adapter():
        plain = model(torch.tensor([ids])).logits[0, -1]
assert float((logits - plain).abs().max()) > 1e-3, "the adapter changes nothing"
scale = float(logits.abs().max())
for entry in answer["ranking"]:
    ours, theirs = entry["logit"], float(logits[labels["ABC".index(entry["letter"])]])
    assert abs(ours - theirs) < 1e-5 * scale, (entry["letter"], ours, theirs)
    print(entry["letter"], ours, theirs)
