"""What `fovea localizer evaluate` does between its arguments and its output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from agent.output import dump, standard_output
from agent.progress import print_note, progress_bar
from agent.settings import load_settings

if TYPE_CHECKING:
    from tools.localizer.opening import Implementation


def run_evaluation(
    images: Path, labels: Path, names: Path | None, weights: Path | None, implementation: Implementation | None, *, json_output: bool
) -> None:
    """Reads every photograph through the `Localizer` port and prints the scorecard: one JSON object, or tables for a reader.

    Files that could not be read are named on stderr and left out. Raises `InputError` when nothing is left, or for bad labels.
    """
    from tools.localizer.batch import cores, localize_files
    from tools.localizer.labelled import read_labelled, read_names
    from tools.localizer.opening import open_localizer
    from tools.localizer.scorecard import Read, scorecard

    settings = load_settings()
    classes = read_names(names)
    drawn = read_labelled(images, labels, classes)
    workers = min(cores(), len(drawn))
    chosen = settings.localizer
    localizer = open_localizer(implementation or chosen.implementation, weights or chosen.weights, chosen.threads, 0.0, callers=workers)
    _ = localizer.identity  # reads the weights: what is wrong with them is told before hours of work
    reads: list[Read] = []
    unread: list[str] = []
    with progress_bar(len(drawn)) as bar:
        results = localize_files((one.path for one in drawn), localizer, settings.intake, workers)
        for one, result in zip(drawn, results, strict=True):
            if result.findings is not None:
                reads.append(Read(one, result.findings))
            else:
                unread.append(f"{result.path}: {result.error}")
            bar.advance()
    for line in unread:
        print_note(line)
    if not reads:
        raise InputError(f"--images {images}: none of the {len(drawn)} files could be read")
    card = scorecard(reads, classes, localizer) | {"unread": len(unread)}
    with standard_output():
        if json_output:
            dump(card, sys.stdout, indent=1)
            sys.stdout.write("\n")
        else:
            _print(card)


def _print(card: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    graded = ", ".join(f"{count} {status}" for status, count in sorted(card["gradability"].items()))
    console.print(
        f"{card['localizer']}: {card['photographs']} photographs ({graded}); {card['passed_over']} passed over as no colour fundus "
        f"photographs, {card['without_label_file']} without a label file counted as free of lesions, {card['unread']} unreadable"
    )
    boxes = Table("class", "boxes", "AP50", "threshold", "recall", "precision", title=f"Boxes: mAP50 {_figure(card['map50'])}")
    for name, row in card["classes"].items():
        boxes.add_row(_words(name), str(row["boxes"]), *(_figure(row[key]) for key in ("ap50", "threshold", "recall", "precision")))
    console.print(boxes)
    rates = next(iter(card["classes"].values()))["froc"]["iou50"]["sensitivity"]
    for kind, title in (("iou50", "an overlap of one half counts"), ("centre", "a centre in the box counts")):
        table = Table("class", *rates, "mean", title=f"Sensitivity by false alarms per photograph: {title}")
        for name, row in card["classes"].items():
            curve = row["froc"][kind]
            table.add_row(_words(name), *(_figure(value) for value in curve["sensitivity"].values()), _figure(curve["mean"]))
        console.print(table)
    whole = Table("photographs with", "with", "without", "AUROC", "95 % interval", "Brier", "calibration error", title="Whole photographs")
    for name, row in card["image_level"].items():
        low, high = row["interval"]
        interval = f"{_figure(low, 3)} to {_figure(high, 3)}"
        truth = (_figure(row["brier"], 3), _figure(row["calibration_error"], 3))
        whole.add_row(_words(name), str(row["with"]), str(row["without"]), _figure(row["auroc"], 3), interval, *truth)
    console.print(whole)
    disc = card["optic_disc"]
    if disc is not None and disc["drawn"]:
        console.print(
            f"Optic disc: the best box holds the drawn centre in {disc['held']} of {disc['drawn']} photographs "
            f"({_figure(disc['share_held'], 3)}); shown at its threshold in {disc['shown']}"
        )


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
