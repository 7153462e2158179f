"""``python -m benchmarks.gate``: false alarms over A/A experiments, power over A/B experiments, as Markdown tables.

An experiment is decided by ``tracekit.evals.gate.decide`` itself, with its default settings.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Sequence
from multiprocessing import Pool
from typing import Any, Final

from benchmarks.gate.worlds import WORLDS, sides
from tracekit.evals.gate import Settings, decide

SIZES: Final = (20, 50, 100, 200, 500)
#: what the candidate is worse by
EFFECTS: Final = (0.02, 0.05, 0.1, 0.15, 0.2)
ALPHA: Final = 0.05
_FAMILY: Final = "all four at once"
Task = tuple[str, int, float, int, int]
#: verdicts by kind, number of examples and effect
Found = dict[tuple[str, int, float], Counter[str]]


def one(world: str, count: int, effect: float, seed: int) -> str:
    """The gate's verdict of one synthetic experiment whose candidate is worse by ``effect``."""
    generator = random.Random(f"{world} {count} {effect} {seed}")
    names = list(WORLDS) if world == _FAMILY else [world]
    metrics = {name: WORLDS[name](generator, count, effect if name == "latency_ms" else -effect) for name in names}
    baseline, candidate = sides(metrics)
    found = decide(candidate, baseline, names, Settings(alpha=ALPHA))
    verdicts = [metric.verdict for metric in found.metrics]
    for verdict in ("worse", "better"):  # any metric that is called so is an alarm
        if verdict in verdicts:
            return verdict
    return found.verdict


def many(task: Task) -> tuple[Task, Counter[str]]:
    world, count, effect, begin, end = task
    return task, Counter(one(world, count, effect, seed) for seed in range(begin, end))


def counted(pool: Any, worlds: Sequence[str], sizes: Sequence[int], effects: Sequence[float], runs: int) -> Found:
    step = 100
    tasks = [
        (world, count, effect, begin, min(begin + step, runs))
        for world in worlds
        for count in sizes
        for effect in effects
        for begin in range(0, runs, step)
    ]
    found: Found = {}
    for task, counts in pool.imap_unordered(many, tasks):
        found.setdefault(task[:3], Counter()).update(counts)
    return found


def upper(alarms: int, runs: int) -> float:
    """The rate that is exceeded by chance in one of 20 such counts at most: one-sided Wilson bound, at 95 %."""
    z, share = 1.6449, alarms / runs
    middle = share + z * z / (2 * runs)
    reach = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return (middle + reach) / (1 + z * z / runs)


def false_alarms(found: Found, runs: int) -> str:
    sizes = sorted({size for _, size, _ in found})
    rows = ["| A/A, of " + str(runs) + " | " + " | ".join(f"n = {count}" for count in sizes) + " |"]
    rows.append("|---" * (len(sizes) + 1) + "|")
    for world in _worlds(found):
        cells = []
        for count in sizes:
            counts = found[world, count, 0.0]
            alarms = counts["worse"] + counts["better"]
            cells.append(f"{alarms / runs:.1%} (≤ {upper(alarms, runs):.1%})")
        rows.append(f"| {world} | " + " | ".join(cells) + " |")
    alarms = sum(counts["worse"] + counts["better"] for counts in found.values())
    total = runs * len(found)
    rows.append(f"\nAltogether {alarms} of {total}: {alarms / total:.2%} (≤ {upper(alarms, total):.2%}).")
    return "\n".join(rows)


def power(found: Found, runs: int) -> str:
    sizes = sorted({size for _, size, _ in found})
    rows = ["| worse by | | " + " | ".join(f"n = {count}" for count in sizes) + " |", "|---" * (len(sizes) + 2) + "|"]
    for world in _worlds(found):
        for effect in EFFECTS:
            cells = (_shares(found[world, count, effect], runs) for count in sizes)
            rows.append(f"| {world} | {effect:g} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _worlds(found: Found) -> list[str]:
    """In the order in which they are listed."""
    return sorted({world for world, _, _ in found}, key=[*WORLDS, _FAMILY].index)


def _shares(counts: Counter[str], runs: int) -> str:
    wrong = f", better {counts['better'] / runs:.1%}" if counts["better"] else ""
    same = f", none {counts['no difference'] / runs:.0%}" if counts["no difference"] else ""
    return f"{counts['worse'] / runs:.0%}{same}{wrong}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="A/A experiments of each kind and size [1000]")
    parser.add_argument(
        "--power-runs", type=int, default=100, help="A/B experiments of each kind, size and effect [100]"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kinds", nargs="*", default=[*WORLDS, _FAMILY], help="of scores, or 'all four at once'")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="numbers of examples")
    given = parser.parse_args()
    kinds, sizes = given.kinds, given.sizes
    with Pool(given.processes) as pool:
        print(false_alarms(counted(pool, kinds, sizes, (0.0,), given.runs), given.runs), flush=True)
        kinds = [kind for kind in kinds if kind != _FAMILY]
        if given.power_runs:
            print()
            print(power(counted(pool, kinds, sizes, EFFECTS, given.power_runs), given.power_runs))


if __name__ == "__main__":
    main()
