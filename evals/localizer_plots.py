"""Pictures of what `fovea localizer evaluate --json` measured: FROC curves and calibration, as PNG. Needs the extra `plots`.

python -m evals.localizer_plots SCORECARD.json [--out DIR] [--title TEXT]
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from tools.localizer.scorecard import RATE_NAMES

COLOURS = {
    "optic_disc": "#7f7f7f", "fovea": "#404040", "hard_exudate": "#b8860b", "haemorrhage": "#b22222", "microaneurysm": "#009e73",
    "soft_exudate": "#0072b2", "drusen": "#cc79a7", "neovascularisation": "#d55e00", "no_visible_lesion": "#2e5e2e",
}  # fmt: skip
KINDS = {"iou50": "found: overlap (IoU) of one half", "centre": "found: centre in the box"}
FEWEST_BOXES = 20
"""Classes with fewer drawn boxes have no curve worth the name."""


def draw_froc(card: dict[str, Any], target: Path, title: str = "") -> None:
    """Sensitivity over false alarms per photograph for each class, by both meanings of 'found'."""
    figure, axes = _figure(len(KINDS))
    for axis, (kind, meaning) in zip(axes, KINDS.items(), strict=True):
        for label, row in card["classes"].items():
            if row["boxes"] >= FEWEST_BOXES:
                curve = row["froc"][kind]["curve"] or [[0, 0]]
                alarms, found = [point[0] for point in curve], [point[1] for point in curve]
                name = f"{_words(label)} ({row['boxes']} boxes), mean {row['froc'][kind]['mean']:.2f}"
                axis.step([1e-3, *alarms, 1e2], [0, *found, found[-1]], where="post", color=COLOURS.get(label), label=name)
        axis.set(xscale="log", xlim=(0.1, 10), ylim=(0, 1.02), xlabel="false alarms per photograph", title=meaning)
        axis.set_xticks(list(RATE_NAMES), list(RATE_NAMES.values()))
        axis.minorticks_off()
        if axis.lines:
            axis.legend(loc="lower right", fontsize=8)
    axes[0].set_ylabel("share of drawn boxes found")
    _save(figure, target, title or f"{card['localizer']}, {card['photographs']} photographs")


def draw_calibration(card: dict[str, Any], target: Path, title: str = "") -> None:
    """What share of the photographs that were given a chance do have the lesion, in groups of equal size, with 95 % intervals."""
    signals = {label: row for label, row in card["image_level"].items() if row["with"] and row["without"]}
    figure, axes = _figure(max(1, len(signals)))
    for axis, (label, row) in zip(axes, signals.items(), strict=False):
        axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        bins = row["calibration"]
        chances, shares = [one["chance"] for one in bins], [one["share"] for one in bins]
        limits = [wilson(one["share"], one["photographs"]) for one in bins]
        bars = [
            [share - low for share, (low, _) in zip(shares, limits, strict=True)],
            [high - share for share, (_, high) in zip(shares, limits, strict=True)],
        ]
        axis.errorbar(chances, shares, yerr=bars, color=COLOURS.get(label), fmt="o-", linewidth=1, markersize=5, elinewidth=0.8, capsize=2)
        low, high = row["interval"]
        area = f"AUROC {row['auroc']:.3f} ({low:.3f} to {high:.3f}), error {row['calibration_error']:.3f}"
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="chance given", aspect="equal")
        axis.set_title(f"{_words(label)}: {row['with']} with, {row['without']} without\n{area}", fontsize=9)
    axes[0].set_ylabel("share that have it")
    _save(figure, target, title or f"{card['localizer']}, {card['photographs']} photographs")


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays sensible for few photographs and at 0 and 1.

    >>> tuple(round(limit, 3) for limit in wilson(0.5, 10))
    (0.237, 0.763)
    """
    centre, square = share + z * z / (2 * count), z * z / count
    half = math.sqrt(share * (1 - share) * square + square * square / 4)
    return max(0.0, min(share, (centre - half) / (1 + square))), min(1.0, max(share, (centre + half) / (1 + square)))


def _figure(panels: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * panels + 0.6, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, panels, number) for number in range(1, panels + 1)]
    for axis in axes:
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, target: Path, title: str) -> None:
    figure.suptitle(title, fontsize=10)
    figure.savefig(target, dpi=130, metadata={"Software": None})


def _words(label: str) -> str:
    return label.replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scorecard", type=Path, help="what fovea localizer evaluate --json printed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="directory of the pictures")
    parser.add_argument("--title", default="", help="what was measured; unset: the weights and the number of photographs")
    parser.add_argument("--name", default="localizer", help="how the files' names begin")
    arguments = parser.parse_args()
    card = json.loads(arguments.scorecard.read_text())
    for kind, draw in (("froc", draw_froc), ("calibration", draw_calibration)):
        target = arguments.out / f"{arguments.name}_{kind}.png"
        draw(card, target, arguments.title)
        print(target)


if __name__ == "__main__":
    main()
