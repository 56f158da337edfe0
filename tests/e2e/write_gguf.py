#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a float32 Llama folder with a byte-level tokenizer.json as a GGUF file, as llama.cpp's converter would.

    write_gguf.py FOLDER OUT [PARTS]

With PARTS the files are OUT-00001-of-0000N.gguf ..., as gguf-split writes them; else OUT itself.
"""
import json
import struct
import sys

U16, U32, I32, F32, BOOL, STRING, ARRAY = 2, 4, 5, 6, 7, 8, 9
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    if kind == STRING:
        return text(key) + struct.pack("<I", kind) + text(value)
    return text(key) + struct.pack("<I", kind) + struct.pack({U16: "<H", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def array(key, kind, values):
    data = b"".join(text(v) for v in values) if kind == STRING else struct.pack(f"<{len(values)}i", *values)
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + data


def read_folder(folder):
    config = json.load(open(f"{folder}/config.json"))
    raw = open(f"{folder}/model.safetensors", "rb").read()
    size, = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, info in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = info["data_offsets"]
            tensors[name] = (info["shape"], raw[8 + size + begin:8 + size + end])
    return config, tensors, json.load(open(f"{folder}/tokenizer.json"))


def interleaved(data, shape, head):
    """Rows of each head in pairs, as llama.cpp rotates them."""
    row = 4 * shape[1]
    rows = [data[i * row:(i + 1) * row] for i in range(shape[0])]
    order = [h + j // 2 + (j % 2) * head // 2 for h in range(0, shape[0], head) for j in range(head)]
    return b"".join(rows[i] for i in order)


def keys(config, tokenizer):
    vocab = {**tokenizer["model"]["vocab"], **{t["content"]: t["id"] for t in tokenizer["added_tokens"]}}
    special = {t["id"] for t in tokenizer["added_tokens"]}
    pieces = sorted(vocab, key=vocab.get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    head = config["hidden_size"] // config["num_attention_heads"]
    return [
        entry("general.architecture", STRING, "llama"),
        entry("llama.embedding_length", U32, config["hidden_size"]),
        entry("llama.block_count", U32, config["num_hidden_layers"]),
        entry("llama.feed_forward_length", U32, config["intermediate_size"]),
        entry("llama.attention.head_count", U32, config["num_attention_heads"]),
        entry("llama.attention.head_count_kv", U32, config["num_key_value_heads"]),
        entry("llama.context_length", U32, config["max_position_embeddings"]),
        entry("llama.rope.dimension_count", U32, head),
        entry("llama.attention.layer_norm_rms_epsilon", F32, config["rms_norm_eps"]),
        entry("llama.rope.freq_base", F32, config["rope_theta"]),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "llama-bpe"),
        array("tokenizer.ggml.tokens", STRING, pieces),
        array("tokenizer.ggml.token_type", I32, [3 if vocab[p] in special else 1 for p in pieces]),
        array("tokenizer.ggml.merges", STRING, merges),
        entry("tokenizer.ggml.bos_token_id", U32, config["bos_token_id"]),
        entry("tokenizer.ggml.eos_token_id", U32, config["eos_token_id"]),
        entry("tokenizer.ggml.add_bos_token", BOOL, True),
        entry("tokenizer.chat_template", STRING, "{{ messages }}"),
    ]


def write(path, entries, tensors):
    infos, data = b"", b""
    for name, shape, raw in tensors:
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, len(data))
        data += raw + b"\0" * (-len(raw) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + infos
    open(path, "wb").write(head + b"\0" * (-len(head) % 32) + data)


folder, out = sys.argv[1:3]
parts = int(sys.argv[3]) if len(sys.argv) > 3 else 1
config, weights, tokenizer = read_folder(folder)
head = config["hidden_size"] // config["num_attention_heads"]
tensors = []
for name, (shape, raw) in weights.items():
    stem = name.removesuffix(".weight")
    if stem in WHOLE:
        stem = WHOLE[stem]
    else:
        layer, stem = stem.removeprefix("model.layers.").split(".", 1)
        if stem in ("self_attn.q_proj", "self_attn.k_proj"):
            raw = interleaved(raw, shape, head)
        stem = f"blk.{layer}.{LAYER[stem]}"
    tensors.append((stem + ".weight", shape, raw))
if parts == 1:
    write(out, keys(config, tokenizer), tensors)
for i in range(parts if parts > 1 else 0):
    split = [entry("split.no", U16, i), entry("split.count", U16, parts), entry("split.tensors.count", I32, len(tensors))]
    chosen = tensors[len(tensors) * i // parts:len(tensors) * (i + 1) // parts]
    write(f"{out}-{i + 1:05}-of-{parts:05}.gguf", (keys(config, tokenizer) if i == 0 else []) + split, chosen)
