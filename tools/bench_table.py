#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gathers what tools/bench.sh measured into bench.json and prints it as a table: bench_table.py OUT"""
import json
import pathlib
import sys


def rows(results):
    for name, r in results.items():
        kind, _, data = name.partition("-")
        if kind == "training":
            yield (f"train LRURec, {data}", f"{r['training_samples_per_second']:.0f} samples/s",
                   f"{r['training_gflops']:.0f} GFLOP/s", r["share_of_ceiling"], r["threads"], r["peak_memory_bytes"])
        elif kind == "engine":
            yield (f"histories to top 20, {data}", f"{r['top20_users_per_second']:.0f} users/s",
                   f"{r['top20_gflops']:.0f} GFLOP/s", r["share_of_ceiling"], r["threads"], r["peak_memory_bytes"])
            yield f"one interaction, {data}", f"{r['step_microseconds']:.1f} us", "", None, 1, None
        elif kind == "import":
            speed = r["raw_interactions"] / r["seconds"]
            yield "data import, csv", f"{speed / 1e6:.2f} M lines/s", "", None, "", None
        elif kind == "tokenizer":
            yield "tokenizer, line by line", f"{r['by_line']['median']:.1f} MB/s", "", None, 1, None


def main():
    out = pathlib.Path(sys.argv[1])
    results = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}
    results["prefill"] = {"text": (out / "prefill.txt").read_text().splitlines()}
    (out / "bench.json").write_text(json.dumps(results, indent=1) + "\n")

    machine = results["machine"]
    print(f"\n{machine['cpu']}, {machine['processors']} processors, {machine['instruction_set']}")
    form = "{:<42} {:>18} {:>14} {:>11} {:>7} {:>9}"
    print(form.format("", "", "", "of ceiling", "threads", "peak MiB"))
    for what, speed, products, share, threads, peak in rows(results):
        print(form.format(what, speed, products, "" if share is None else f"{share:.0%}", threads,
                          "" if peak is None else peak >> 20))
    ceilings = [r["sgemm_gflops_per_core"] for r in results.values() if "sgemm_gflops_per_core" in r]
    print(f"\nThe ceiling is a float32 product of 768^3 on oneDNN: {max(ceilings):.0f} GFLOP/s a core.")
    for line in results["prefill"]["text"]:
        print(f"prefill: {line}")
    print(f"Everything as JSON: {out / 'bench.json'}")


if __name__ == "__main__":
    main()
