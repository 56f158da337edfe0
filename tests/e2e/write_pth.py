#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint as LRURec's authors' trainer saves it, from a safetensors file, without torch.

    write_pth.py IN.safetensors OUT.pth

torch.save makes a zip archive: data.pkl with persistent ids for the storages, and one file for each storage. F32
tensors named in_proj or out_proj have a last axis (real, imaginary) and become complex64, as in the authors' files.
"""
import json
import math
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict


def fake_module(name, *members):
    """Modules that exist only so that pickle writes torch's names."""
    module = types.ModuleType(name)
    for member in members:
        def stand_in(*_):
            raise AssertionError("never called")
        stand_in.__module__, stand_in.__qualname__ = name, member
        setattr(module, member, stand_in)
    sys.modules[name] = module
    return module


torch = fake_module("torch", "FloatStorage", "ComplexFloatStorage")
utils = fake_module("torch._utils", "_rebuild_tensor_v2")


class Storage:
    def __init__(self, kind, key, count):
        self.id = ("storage", kind, key, "cpu", count)


class Tensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides = tuple(math.prod(self.shape[i + 1:]) for i in range(len(self.shape)))
        return utils._rebuild_tensor_v2, (self.storage, 0, tuple(self.shape), strides, False, OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def main():
    raw = open(sys.argv[1], "rb").read()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8:8 + length]), raw[8 + length:]
    header.pop("__metadata__", None)
    state, blobs = OrderedDict(), []
    for key, (name, entry) in enumerate(header.items()):
        assert entry["dtype"] == "F32", name
        shape, begin, end = entry["shape"], *entry["data_offsets"]
        kind = torch.FloatStorage
        if "in_proj" in name or "out_proj" in name:
            kind, shape = torch.ComplexFloatStorage, shape[:-1]
        state[name] = Tensor(Storage(kind, str(key), math.prod(shape)), shape)
        blobs.append(body[begin:end])
    with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_STORED) as archive:
        with archive.open("best/data.pkl", "w") as file:
            Pickler(file, protocol=2).dump({"model_state_dict": state, "optimizer_state_dict": {"state": {}}})
        for key, blob in enumerate(blobs):
            archive.writestr(f"best/data/{key}", blob)
        archive.writestr("best/version", "3\n")


if __name__ == "__main__":
    main()
