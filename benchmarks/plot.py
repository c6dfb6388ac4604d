"""Draws the plot of docs/scaling.md from the figures of ``python -m benchmarks.cluster hops --json FILE``.

    .venv-benchmarks/bin/python benchmarks/plot.py FILE docs/scaling.svg

It needs matplotlib, which is in .venv-benchmarks (``benchmarks/install``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib as mpl
import matplotlib.pyplot as plt

OURS, PEERS, INK, GRID = "#2f6f9f", "#b5651d", "#222222", "#dddddd"


def main(source: str, target: str) -> None:
    """Draw latency and throughput beside each other."""
    found = json.loads(Path(source).read_text())["hops"]
    names = list(found)[::-1]  # the first one on top

    def medians(load: str, column: str) -> list[float]:
        return [median(run[load][column] for run in found[name]) for name in names]

    p50, p99 = ([us / 1000 for us in medians("paced", one)] for one in ("p50_us", "p99_us"))
    rates = medians("full", "sent_per_s")
    colors = [OURS if name.startswith("Bennu") else PEERS for name in names]
    # A white card is readable on light and dark pages.
    mpl.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10})
    mpl.rcParams.update({"svg.hashsalt": "bennu", "text.color": INK, "axes.labelcolor": INK})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), sharey=True, facecolor="white")
    rows = range(len(names))
    left.hlines(rows, p50, p99, color=colors, linewidth=2)
    left.scatter(p50, rows, color=colors, s=36, zorder=3, label="p50")
    left.scatter(p99, rows, color=colors, s=46, zorder=3, marker="|", linewidth=2, label="p99")
    left.set_xscale("log")
    left.set_xlabel("ms at 200 messages/s: p50 to p99")
    left.set_yticks(rows, names)
    right.barh(rows, rates, color=colors, height=0.6)
    right.set_xlim(0, max(rates) * 1.18)
    right.set_xlabel("messages/s at full load")
    right.locator_params(axis="x", nbins=4)
    for row, rate in zip(rows, rates, strict=True):
        right.text(rate + max(rates) / 60, row, f"{rate:,.0f}", va="center", fontsize=9)
    for axes in (left, right):
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, colors=INK)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    left.minorticks_off()
    ticks = [digit * 10.0**power for power in range(-2, 4) for digit in (1, 2, 5)]
    left.set_xticks([tick for tick in ticks if min(p50) / 1.3 <= tick <= max(p99) * 1.1])
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
