"""Measure what the built-in agents earn on the phantom benchmarks; a run that was cut off goes on.

    python benchmarks/agents/measure.py --out runs/agents [--workers 2]

writes results.json and results.md beside this file. The figures repeat exactly.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from medgym.evaluation.compare import cells, suite
from medgym.evaluation.console import evaluate
from medgym.evaluation.run import Workers

HERE = Path(__file__).parent
SUITES = ("phantoms-core", "phantoms-hard")
AGENTS = ("oracle", "teacher", "scripted", "random", "silent")
SHOWN = {
    "reward": "reward",
    "accuracy": "accuracy (n)",
    "iou": "IoU (n)",
    "f1": "F1 of boxes (n)",
    "calls": "calls",
    "well_called": "well called (n)",
}


def kept(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what of a run is kept with the project."""
    return {key: entry[key] for key in ("name", "suite", "n", "failed", "metrics", "versions")}


def row(entry: dict[str, Any]) -> str:
    cells = []
    for name, heading in SHOWN.items():
        found = entry["metrics"].get(name)
        if found is None:
            cells.append("–")
        elif name == "reward":
            cells.append(f"{found['mean']:.2f} ({found['low']:.2f} to {found['high']:.2f})")
        else:
            cells.append(f"{found['mean']:.2f}" + (f" ({found['n']})" if "(n)" in heading else ""))
    return f"| {entry['name']} | {' | '.join(cells)} |"


def compared(pair: dict[str, Any]) -> str:
    interval = f"({pair['low']:+.2f} to {pair['high']:+.2f})"
    return f"| {pair['one']} | {pair['two']} | {pair['difference']:+.2f} {interval} | {pair['p']:.4f} | {pair['n']} |"


def page(results: dict[str, Any]) -> str:
    """Write the tables."""
    how = "By `python benchmarks/agents/measure.py`; reward with its 95 % interval."
    parts = ["# The built-in agents, measured", "", how]
    for name in SUITES:
        found = [entry for entry in results["runs"] if entry["suite"] == name]
        count = max(entry["n"] for entry in found)
        heads = ["agent", *SHOWN.values()]
        parts += ["", f"## {name}, {count} tasks", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        parts += [row(entry) for entry in sorted(found, key=lambda each: -each["metrics"]["reward"]["mean"])]
        apart = [pair for pair in results["pairs"] if pair["suite"] == name and pair["metric"] == "reward"]
        parts += ["", "| one | the other | reward of one less the other's | p | n |", "|---|---|---|---|---|"]
        parts += map(compared, apart)
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="keep the runs in this folder")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, Any] = {"runs": [], "pairs": []}
    for name in SUITES:
        planned = cells(suite(name), AGENTS, [{}], withhold=False)
        found = evaluate(planned, options.out / name, resume=True, workers=Workers(options.workers), quiet=False)
        results["runs"] += map(kept, found["runs"])
        results["pairs"] += found["pairs"]
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "results.md").write_text(page(results))


if __name__ == "__main__":
    main()
