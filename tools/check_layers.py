#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a folder of src/ includes or links a folder that the architecture does not allow, or when an ATen header,
an MPI header or an instruction-set header stands where it must not. See docs/architecture.md."""

import pathlib
import re
import sys

ALLOWED = {
    "core": set(),
    "formats": {"core"},
    "tokenizer": {"core", "formats"},
    "data": {"core", "formats"},
    "eval": {"core", "formats"},
    "models": {"core", "formats"},
    "engine": {"core", "formats", "models"},
    "rank": {"core", "formats", "models", "engine", "tokenizer", "data", "eval"},
    "offline": {"core", "formats", "models", "engine", "tokenizer", "data", "eval", "rank"},
    "study": {"core", "formats", "tokenizer", "data", "eval", "rank", "offline"},
    "learn": {"core", "formats", "models", "tokenizer", "data", "eval", "rank", "offline", "engine/kernels"},
    "cli": {"core", "formats", "models", "engine", "tokenizer", "data", "eval", "rank", "offline", "study",
            "learn/learn.h"},
}
ONLY_IN = {  # header prefix -> folders that may include it
    "ATen/": ("learn/",), "torch/": ("learn/",), "c10/": ("learn/",), "mpi.h": ("learn/distributed/",),
    "dnnl": ("engine/kernels/",), "hwy/": ("engine/kernels/", "engine/ops/", "learn/ops/"),
}


def link_errors(root: pathlib.Path) -> list[str]:
    """A folder's library links only those of folders that it may include."""
    errors = []
    text = (root.parent / "CMakeLists.txt").read_text(encoding="utf-8")
    links = {name: set(re.findall(r"\btandem_(\w+)", deps))
             for name, deps in re.findall(r"tandem_module\((\w+) DEPS ([^)]*)\)", text)}
    learn = (root / "learn/CMakeLists.txt").read_text(encoding="utf-8")
    links["learn"] = {name for deps in re.findall(r"target_link_libraries\(tandem_learn_objects PUBLIC ([^)]*)\)", learn)
                      for name in re.findall(r"\btandem_(\w+)", deps)}
    for folder in ALLOWED.keys() - {"cli"} - links.keys():
        errors.append(f"CMakeLists.txt: folder '{folder}' has no library")
    for folder, linked in links.items():
        for other in sorted(linked - ALLOWED.get(folder, set())):
            errors.append(f"CMakeLists.txt: tandem_{folder} must not link tandem_{other}")
    return errors


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    errors = []
    for path in sorted(root.rglob("*.[ch]*")):
        if path.suffix not in {".h", ".cc"}:
            continue
        relative = path.relative_to(root).as_posix()
        folder = relative.split("/")[0]
        if folder not in ALLOWED:
            errors.append(f"{relative}: folder '{folder}' is not part of the architecture")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not match:
                continue
            header = match.group(1)
            for prefix, places in ONLY_IN.items():
                if header.startswith(prefix) and not relative.startswith(places):
                    errors.append(f"{relative}:{number}: {header} may be included only in {', '.join(places)}")
            top = header.split("/")[0]
            if top not in ALLOWED or top == folder or "/" not in header:
                continue
            if top in ALLOWED[folder] or any(header.startswith(a) for a in ALLOWED[folder] if "/" in a):
                continue
            errors.append(f"{relative}:{number}: {folder} must not include {header}")
    errors += link_errors(root)
    for error in errors:
        print(error)
    print(f"layers: {len(errors)} violations" if errors else "layers: clean")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
