"""How often the rate-limit analysis is wrong, and how often it does not say.

Simulates audits of sound and broken deployments on a quiet, a distant and a noisy
network, judges each measurement, and prints wrong and open ones for each cell with
95 % bounds. Exits 1 above the bars: no wrong verdict at all, and at most 5 % open.

    python -m bench.ratelimit_study --count 3000 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.ratelimit.cells import CELLS, Setting, judge, measure
from tests.ratelimit.simulated import NETWORKS
from tollproof.ratelimit.chance import interval

SETTINGS = (
    Setting(60, 60.0, 4),
    Setting(60, 60.0, 4),
    Setting(100, 60.0, 4),
    Setting(60, 60.0, 2),
    Setting(60, 60.0, 1),
    Setting(60, 10.0, 4),
    Setting(20, 10.0, 4),
    Setting(600, 60.0, 4),
)
WRONG_BAR, OPEN_BAR = 0, 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="audits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cell", default="", help="only cells with this in the name")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    cells = [cell for cell in CELLS if asked.cell in cell.name]
    networks = tuple(NETWORKS)
    tally: dict[str, Counter[str]] = {cell.name: Counter() for cell in cells}
    by_network: dict[str, Counter[str]] = {name: Counter() for name in networks}
    by_setting: dict[Setting, Counter[str]] = {one: Counter() for one in SETTINGS}
    causes: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(asked.count):
        cell = cells[number % len(cells)]
        turn = number // len(cells)
        network = networks[turn % len(networks)]
        setting = SETTINGS[turn // len(networks) % len(SETTINGS)]
        if setting.keys < cell.least_keys:
            setting = SETTINGS[0]
        seed = asked.seed * 1_000_003 + number
        measurement = measure(cell, setting, network, seed)
        trial = judge(cell, measurement)
        counters = (tally[cell.name], by_network[network], by_setting[setting])
        for counter in counters:
            counter["n"] += 1
            counter["wrong"] += trial.wrong
            counter["open"] += trial.open
            counter["unnamed"] += trial.unnamed
            counter["nameable"] += bool(cell.family)
        if trial.wrong or (asked.verbose and trial.open):
            what = [f"false alarm {one}" for one in trial.false_alarms]
            what += ["missed"] * trial.missed + ["open"] * trial.open
            what += [f"called {trial.misnamed}"] * bool(trial.misnamed)
            causes[f"{cell.name}: {', '.join(what)}"] += 1
            print(f"  {cell.name} | {network} {setting} seed {seed}: {what}")
    seconds = time.monotonic() - began
    _table("cell", tally)
    _table("network", by_network)
    _table("setting", {str(key): value for key, value in by_setting.items()})
    for cause, times in causes.most_common():
        print(f"{times:5} {cause}")
    total = sum(tally.values(), Counter[str]())
    n = max(1, total["n"])
    print(
        f"\n{n} audits in {seconds:.0f} s; wrong {total['wrong']} "
        f"(95 %: {_bounds(total['wrong'], n)}), open {total['open']} "
        f"(95 %: {_bounds(total['open'], n)}), algorithm unnamed {total['unnamed']} of "
        f"{total['nameable']}"
    )
    return int(total["wrong"] > WRONG_BAR or total["open"] > OPEN_BAR * n)


def _bounds(hits: int, trials: int) -> str:
    low, high = interval(hits, trials)
    return f"{low:.2%} to {high:.2%}"


def _table(title: str, rows: dict[str, Counter[str]]) -> None:
    print(f"\n{title:44} {'n':>6} {'wrong':>6} {'open':>6} {'unnamed':>8}  wrong 95 %")
    for name, counter in rows.items():
        if n := counter["n"]:
            print(
                f"{name:44} {n:6} {counter['wrong']:6} {counter['open']:6} "
                f"{counter['unnamed']:8}  {_bounds(counter['wrong'], n)}"
            )


if __name__ == "__main__":
    sys.exit(main())
