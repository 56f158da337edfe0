#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/tiny.pth: what LRURec's authors save (state dict and optimizer state), tiny, with known values.

    python tools/oracle/make_tiny_pth.py tests/data/tiny.pth

Needs torch; the stored file was made with 2.15.0. Element i of a tensor (row-major) is i / 8 + its place in the
state dict; complex elements have the negative of that as imaginary part.
"""
import sys
from collections import OrderedDict

import torch

N, D, H = 5, 4, 8  # items, width, complex state width


def numbered(place, shape, dtype=torch.float32):
    count = torch.Size(shape).numel()
    values = torch.arange(count, dtype=torch.float64) / 8 + place
    if dtype.is_complex:
        values = torch.complex(values, -values)
    return values.to(dtype).reshape(shape)


def lrurec_shapes():
    block = "model.lru_blocks.0."
    yield "embedding.token.weight", (N + 1, D), torch.float32
    for leaf in ("weight", "bias"):
        yield f"embedding.layer_norm.{leaf}", (D,), torch.float32
    yield "model.bias", (N + 1,), torch.float32
    yield block + "lru_layer.params_log", (3, H), torch.float32
    yield block + "lru_layer.in_proj.weight", (H, D), torch.complex64
    yield block + "lru_layer.in_proj.bias", (H,), torch.complex64
    yield block + "lru_layer.out_proj.weight", (D, H), torch.complex64
    yield block + "lru_layer.out_proj.bias", (D,), torch.complex64
    yield block + "feed_forward.w_1.weight", (4 * D, D), torch.float32


class Model(torch.nn.Module):
    """Only holds parameters; state_dict() then has the _metadata that real files have."""

    def __init__(self):
        super().__init__()
        for place, (name, shape, dtype) in enumerate(lrurec_shapes()):
            module = self
            *path, leaf = name.split(".")
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, torch.nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(leaf, torch.nn.Parameter(numbered(place, shape, dtype)))


def main():
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    sum(p.abs().sum() for p in model.parameters()).backward()
    optimizer.step()
    state = model.state_dict()
    whole = numbered(100, (3, 4))
    extra = OrderedDict(
        transposed=whole.t(),  # the same storage as the next two
        column=whole[:, 1],
        row=whole[2],
        half=numbered(1, (2, 3), torch.float16),
        bfloat16=numbered(1, (3,), torch.bfloat16),
        double=numbered(1, (2,), torch.float64),
        complex128=numbered(1, (2,), torch.complex128),
        int64=torch.tensor([2**40, -1]),
        int32=torch.tensor([-7], dtype=torch.int32),
        int16=torch.tensor([-300], dtype=torch.int16),
        int8=torch.tensor([-5], dtype=torch.int8),
        uint8=torch.tensor([200], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 7),
        parameter=torch.nn.Parameter(torch.tensor([1.5])),
    )
    for name, tensor in extra.items():
        state["extra." + name] = tensor
    torch.save(
        {
            "model_state_dict": state,
            "optimizer_state_dict": optimizer.state_dict(),
            "epoch": 3,
            "best": 0.25,
            "big": 2**40,
            "made_by": f"tools/oracle/make_tiny_pth.py, torch {torch.__version__}",
        },
        sys.argv[1],
    )


if __name__ == "__main__":
    main()
