"""How the thresholds of the check of citations were chosen: `python -m evals.citation_thresholds`, on the development half alone."""

from __future__ import annotations

from types import ModuleType

from rich.console import Console
from rich.table import Table

from agent.citations import bearing, comparisons, quoting, statements
from evals.citations import SUITES, Shelf, Suite, Trial, cases, forget

TRIED: tuple[tuple[ModuleType, str, tuple[float, ...]], ...] = (
    (quoting, "NEAR", (0.7, 0.8, 0.85, 0.9, 0.95, 0.98)),
    (bearing, "SHARED", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
    (bearing, "QUOTED", (0.0, 0.15, 0.3, 0.5, 0.7)),
    (comparisons, "ALTERED", (0.1, 0.25, 0.4)),
    (statements, "COPIED", (4, 6, 9)),
)


def right(shelf: Shelf, name: Suite, trials: list[Trial]) -> int:
    """How many forgeries are caught, or honest citations kept, with the thresholds as they stand."""
    forget(shelf)
    return sum((shelf.judged(trial).verdict == "supported") == (name == "honest") for trial in trials)


def main() -> None:
    shelf = Shelf()
    trials = {name: [shelf.trial(case) for case in cases(name, "development")] for name in SUITES}
    shown = Table(box=None)
    for column in ("threshold", "value", *(f"{name} right of {len(trials[name])}" for name in SUITES)):
        shown.add_column(column, justify="right")
    for module, name, values in TRIED:
        shipped = getattr(module, name)
        for value in values:
            setattr(module, name, value)
            answers = (str(right(shelf, suite, trials[suite])) for suite in SUITES)
            shown.add_row(name, f"{value:g}{' (shipped)' if value == shipped else ''}", *answers)
        setattr(module, name, shipped)
    Console().print(shown)


if __name__ == "__main__":
    main()
