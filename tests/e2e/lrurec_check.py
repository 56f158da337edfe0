# SPDX-License-Identifier: Apache-2.0
"""Computes LRURec's scores once more, from a run's weights and the CSV, in plain Python, and compares what the program
recommends to a user and how it ranks targets: with `--exclude none`, history of at most 10 items.

    lrurec_check.py RUN DATASET CSV RANKS.TSV RECOMMENDATIONS.JSON
"""
import cmath
import json
import math
import struct
import sys

run, dataset, csv, ranks, recommendations = sys.argv[1:]

with open(f"{run}/model.safetensors", "rb") as file:
    content = file.read()
size = struct.unpack("<Q", content[:8])[0]
header = json.loads(content[8:8 + size])


def weight(name):
    begin, end = header[name]["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 4}f", content[8 + size + begin:8 + size + end])


table, bias = weight("embedding.token.weight"), weight("model.bias")
width = len(table) // len(bias)
blocks = sum(name.endswith("params_log") for name in header)


def layer_norm(x, name):
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + 1e-5)
    pairs = zip(x, weight(name + ".layer_norm.weight"), weight(name + ".layer_norm.bias"))
    return [(v - mean) / deviation * w + b for v, w, b in pairs]


def linear(x, name):
    w, b = weight(name + ".weight"), weight(name + ".bias")
    return [b[o] + sum(w[o * len(x) + i] * v for i, v in enumerate(x)) for o in range(len(b))]


def complex_rows(name, columns):
    values = weight(name)
    flat = [complex(values[i], values[i + 1]) for i in range(0, len(values), 2)]
    return [flat[i:i + columns] for i in range(0, len(flat), columns)]


def scores(items):
    rows = [layer_norm(table[item * width:(item + 1) * width], "embedding") for item in items]
    for block in range(blocks):
        lru, ffn = (f"model.lru_blocks.{block}.{part}" for part in ("lru_layer", "feed_forward"))
        logs, channels = weight(lru + ".params_log"), 2 * width
        b_rows, b_bias = complex_rows(lru + ".in_proj.weight", width), complex_rows(lru + ".in_proj.bias", 1)
        c_rows, c_bias = complex_rows(lru + ".out_proj.weight", channels), complex_rows(lru + ".out_proj.bias", 1)
        state = [0j] * channels
        for t, x in enumerate(rows):
            for k in range(channels):
                decay = cmath.exp(complex(-math.exp(logs[k]), math.exp(logs[channels + k])))
                into = b_bias[k][0] + sum(b * v for b, v in zip(b_rows[k], x))
                state[k] = decay * state[k] + math.exp(logs[2 * channels + k]) * into
            out = [(c_bias[d][0] + sum(c * h for c, h in zip(c_rows[d], state))).real for d in range(width)]
            y = layer_norm([a + b for a, b in zip(out, x)], lru)
            inner = [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in linear(y, ffn + ".w_1")]
            rows[t] = layer_norm([a + b for a, b in zip(linear(inner, ffn + ".w_2"), y)], ffn)
    return [bias[i] + sum(a * b for a, b in zip(table[i * width:(i + 1) * width], rows[-1])) for i in range(len(bias))]


number = {}
with open(f"{dataset}/items.jsonl") as file:
    for line in file:
        item = json.loads(line)
        number[item["item_id"]] = item["item"]
events = {}
with open(csv) as file:
    for line in list(file)[1:]:
        user, item, _ = line.strip().split(",")
        if item in number:
            events.setdefault(user, []).append(number[item])

with open(recommendations) as file:
    shown = json.load(file)
wanted = scores(events[shown["user"]][-10:])
order = sorted(range(1, len(wanted)), key=lambda item: -wanted[item])
for entry, item in zip(shown["recommendations"], order):
    assert abs(entry["score"] - wanted[item]) < 2e-5, (entry, item, wanted[item])
    assert abs(wanted[number[entry["item_id"]]] - wanted[item]) < 2e-5, (entry, item)

checked = 0
with open(ranks) as file:
    lines = [line.rstrip("\n").split("\t") for line in file]
assert lines[0][:3] == ["user", "target", "rank"], lines[0]
for user, target, rank, *_ in lines[1:13]:
    items = events[user]
    assert items[-1] == number[target], (user, target)
    found = scores(items[:-1][-10:])
    own = found[items[-1]]
    surely = sum(score > own + 2e-5 for score in found[1:])
    perhaps = sum(score > own - 2e-5 for score in found[1:])
    assert 1 + surely <= int(rank) <= max(perhaps, 1), (user, rank, surely, perhaps)
    checked += 1
print(f"{len(shown['recommendations'])} recommendations and {checked} ranks equal plain Python's")
