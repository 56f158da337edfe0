#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the oracle folders narm-tiny and bert4rec-tiny: reference values of the two baselines, in float64.

    python tools/oracle/make_baselines.py tests/oracle/data

Needs torch; the stored files were made with 2.15.0. The models are written from their equations (padded batches,
torch.nn.GRU, attention spelled out) and share no code with the program; LayerNorm is the one of github.com/
GarciaLnk/LlamaRec (unbiased deviation plus 1e-6). Seed 5; no dropout. AdamW has eps 1e-3, for some gradients are 0 but for rounding (of
the keys' bias, which softmax does not see), and a small eps would make whole steps of that.

A folder holds a model (config.json, model.safetensors, float32) and values.safetensors:
  items, labels, row_starts   a packed batch; labels 0: none        hidden, logits   at the labelled positions
  loss, grad.NAME             mean cross-entropy over them          losses, final.NAME   AdamW steps on that batch
  history.items/.row_starts   users                                 history.hidden, history.scores   [B, N + 1]
"""
import json
import math
import pathlib
import struct
import sys

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

N, D, LENGTH, BLOCKS, HEADS, INNER, STEPS = 30, 8, 7, 2, 2, 4, 5
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def narm_shapes():
    h = 2 * D
    return {"embedding.token.weight": (N + 1, D), "model.gru.weight_ih_l0": (3 * h, D),
            "model.gru.weight_hh_l0": (3 * h, h), "model.gru.bias_ih_l0": (3 * h,), "model.gru.bias_hh_l0": (3 * h,),
            "model.a_global.weight": (h, h), "model.a_local.weight": (h, h), "model.v_vector.weight": (1, h),
            "model.b_vetor.weight": (2 * h, D)}


def bert4rec_shapes():
    shapes = {"embedding.token.weight": (N + 2, D), "embedding.position.pe.weight": (LENGTH + 1, D)}

    def linear(name, out, inp):
        shapes[name + ".weight"], shapes[name + ".bias"] = (out, inp), (out,)

    def norm(name):
        shapes[name + ".layer_norm.weight"] = shapes[name + ".layer_norm.bias"] = (D,)

    norm("embedding")
    shapes["model.bias"] = (N + 2,)
    for i in range(BLOCKS):
        block = f"model.transformer_blocks.{i}."
        for part in range(3):
            linear(f"{block}attention.linear_layers.{part}", D, D)
        linear(block + "attention.output_linear", D, D)
        linear(block + "feed_forward.w_1", INNER * D, D)
        linear(block + "feed_forward.w_2", D, INNER * D)
        norm(block + "input_sublayer")
        norm(block + "output_sublayer")
    linear("model.linear", D, D)
    return shapes


def draw(shapes):
    weights = {}
    for name, shape in shapes.items():
        value = 0.4 * torch.randn(shape)
        weights[name] = value + 1 if name.endswith("layer_norm.weight") else value
    return weights


def narm(w, rows):
    """Rows of items -> the state behind each row's last item, [B, D]."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.zeros(len(rows), max(lengths), dtype=torch.int64)
    for i, row in enumerate(rows):
        padded[i, :len(row)] = torch.tensor(row)
    x = w["embedding.token.weight"][padded]
    gru = torch.nn.GRU(D, 2 * D, batch_first=True, dtype=torch.float64)
    parts = {leaf: w["model.gru." + leaf] for leaf in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    out, last = torch.func.functional_call(gru, parts, (packed,))
    states, _ = pad_packed_sequence(out, batch_first=True)
    final = last[-1]
    gate = (final @ w["model.a_global.weight"].T)[:, None] + states @ w["model.a_local.weight"].T
    score = (gate / 6 + 0.5).clamp(0, 1) @ w["model.v_vector.weight"][0]
    score = score.masked_fill(torch.arange(padded.shape[1])[None] >= lengths[:, None], -1e9)
    local = (torch.softmax(score, 1)[:, :, None] * states).sum(1)
    return torch.cat([final, local], 1) @ w["model.b_vetor.weight"]


def layer_norm(w, name, x):
    centred = x - x.mean(-1, keepdim=True)
    return w[name + ".layer_norm.weight"] * centred / (x.std(-1, keepdim=True) + 1e-6) + w[name + ".layer_norm.bias"]


def bert4rec(w, rows):
    """Rows of inputs -> hidden [B, LENGTH, D], rows at the right end."""
    padded = torch.zeros(len(rows), LENGTH, dtype=torch.int64)
    position = torch.zeros_like(padded)
    for i, row in enumerate(rows):
        padded[i, LENGTH - len(row):] = torch.tensor(row)
        position[i, LENGTH - len(row):] = torch.arange(1, len(row) + 1)

    def linear(name, x):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def split(x):
        return x.view(len(rows), LENGTH, HEADS, D // HEADS).transpose(1, 2)

    x = layer_norm(w, "embedding", w["embedding.token.weight"][padded] + w["embedding.position.pe.weight"][position])
    for i in range(BLOCKS):
        block = f"model.transformer_blocks.{i}."
        q, k, v = (split(linear(f"{block}attention.linear_layers.{part}", x)) for part in range(3))
        score = q @ k.transpose(2, 3) / math.sqrt(D // HEADS)
        score = score.masked_fill((padded == 0)[:, None, None], -1e9)
        seen = (torch.softmax(score, -1) @ v).transpose(1, 2).reshape(len(rows), LENGTH, D)
        x = layer_norm(w, block + "input_sublayer", x + linear(block + "attention.output_linear", seen))
        inner = torch.nn.functional.gelu(linear(block + "feed_forward.w_1", x))
        x = layer_norm(w, block + "output_sublayer", x + linear(block + "feed_forward.w_2", inner))
    return torch.nn.functional.gelu(linear("model.linear", x))


class Narm:
    name, shapes = "narm-tiny", narm_shapes()
    config = {"model_type": "narm", "num_items": N, "width": D, "max_length": LENGTH}
    rows = [[3], [4, 5, 6], [30, 1, 2, 9, 9, 8, 7], [11, 12], [13, 14, 15, 16]]
    labels = [[5], [0, 0, 7], [0] * 6 + [1], [0, 2], [0, 0, 0, 17]]

    @staticmethod
    def hidden(w, rows, labels):
        return narm(w, rows)  # each row has its label at the end

    @staticmethod
    def answer(w, histories):
        return narm(w, [history[-LENGTH:] for history in histories])

    @staticmethod
    def bias(w):
        return torch.zeros(N + 1, dtype=torch.float64)


class Bert4Rec:
    name, shapes = "bert4rec-tiny", bert4rec_shapes()
    config = {"model_type": "bert4rec", "num_items": N, "width": D, "blocks": BLOCKS, "heads": HEADS, "inner": INNER,
              "max_length": LENGTH}
    rows = [[N + 1], [4, N + 1, 6], [30, 1, N + 1, 9, 9, 8, 22], [11, 12], [N + 1, 14, 15, N + 1]]
    labels = [[5], [0, 7, 0], [0, 1, 2, 0, 0, 0, 7], [0, 12], [13, 0, 0, 16]]

    @staticmethod
    def hidden(w, rows, labels):
        full = bert4rec(w, rows)
        return torch.stack([full[i, LENGTH - len(row) + t] for i, row in enumerate(labels)
                            for t, label in enumerate(row) if label])

    @staticmethod
    def answer(w, histories):
        return bert4rec(w, [history[-(LENGTH - 1):] + [N + 1] for history in histories])[:, -1]

    @staticmethod
    def bias(w):
        return w["model.bias"]


def packed(rows):
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    return torch.tensor([item for row in rows for item in row]), torch.tensor(starts)


def write(model, root):
    torch.manual_seed(5)
    folder = root / model.name
    folder.mkdir(parents=True, exist_ok=True)
    stored = draw(model.shapes)
    (folder / "config.json").write_text(json.dumps(model.config) + "\n")
    save(folder / "model.safetensors", stored)

    w = {name: value.double().requires_grad_() for name, value in stored.items()}
    wanted = torch.tensor([label for row in model.labels for label in row if label])

    def loss():
        hidden = model.hidden(w, model.rows, model.labels)
        logits = hidden @ w["embedding.token.weight"].T + model.bias(w)
        return hidden, logits, cross_entropy(logits, wanted)

    values = {}
    values["items"], values["row_starts"] = packed(model.rows)
    values["labels"], _ = packed(model.labels)
    values["hidden"], values["logits"], mean = loss()
    values["loss"] = mean.detach().reshape(1)
    mean.backward()
    for name, value in w.items():
        values["grad." + name] = value.grad.clone()
    histories = [[1], [2, 3, 4], [5, 6, 7, 8, 9, 10, 11], [12, 13, 14, 15, 16, 17, 18, 19, 20], [21, 21]]
    values["history.items"], values["history.row_starts"] = packed(histories)
    values["history.hidden"] = model.answer(w, histories)
    values["history.scores"] = (values["history.hidden"] @ w["embedding.token.weight"].T + model.bias(w))[:, :N + 1]
    values = {name: value.detach().clone() for name, value in values.items()}

    spared = [value for name, value in w.items() if "bias" in name or "layer_norm" in name]
    decayed = [value for name, value in w.items() if "bias" not in name and "layer_norm" not in name]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": spared, "weight_decay": 0.0}],
                                  lr=1e-2, eps=1e-3)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        mean = loss()[2]
        mean.backward()
        torch.nn.utils.clip_grad_norm_(list(w.values()), 5.0)
        optimizer.step()
        losses.append(mean.item())
    values["losses"] = torch.tensor(losses, dtype=torch.float64)
    for name, value in w.items():
        values["final." + name] = value.detach()
    save(folder / "values.safetensors", values)


for one in (Narm, Bert4Rec):
    write(one, pathlib.Path(sys.argv[1]))
