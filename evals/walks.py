"""Walks the written vignettes through the whole state machine: who gets a diagnosis, how often it is right, and what happens to strangers.

Usage: python -m evals.walks [--test]

Prints a row per abstention limit, so that the limits can be chosen: they are lifted for the walk and applied afterwards. The development
half is walked; --test walks the other one, with the shipped limits only.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agent.container import build
from agent.decision import DEFAULT_MAX_ENTROPY
from agent.domain import CaseReport, CaseRequest
from agent.settings import Abstention, load_settings
from agent.walk import consult
from evals import vignette_sets
from evals.vignette_sets import Narrative
from knowledge.differential import OTHER

CEILINGS = (0.8, 1.0, 1.2, 1.4, 1.6, 2.0, 2.6)
FLOORS = (0.35, 0.5)
NO_LIMIT = 99.0


@dataclass(frozen=True)
class Walked:
    narrative: Narrative
    report: CaseReport

    @property
    def right(self) -> bool:
        first = self.report.differential[:1]
        return bool(first) and first[0].concept_id in self.narrative.accepted

    def diagnosed(self, ceiling: float, floor: float) -> bool:
        """Whether these limits would let the diagnosis through."""
        u, first = self.report.uncertainty, self.report.differential[:1]
        sure = u is not None and u.entropy <= ceiling and bool(first) and first[0].probability >= floor
        return sure and self.report.outcome == "diagnosed"


@dataclass(frozen=True)
class Outcomes:
    """Shares of the cases the atlas holds; `strangers` counts diagnoses given to diseases it does not hold."""

    ceiling: float
    floor: float
    diagnosed: float
    right: float
    strangers: int


def outcomes(walked: Sequence[Walked], ceiling: float, floor: float) -> Outcomes:
    """What an abstention limit does. `right` is 0 where nobody is diagnosed."""
    held = [w for w in walked if w.narrative.reference != OTHER]
    given = [w for w in held if w.diagnosed(ceiling, floor)]
    strangers = sum(w.diagnosed(ceiling, floor) for w in walked if w.narrative.reference == OTHER)
    return Outcomes(ceiling, floor, len(given) / len(held), sum(w.right for w in given) / max(1, len(given)), strangers)


async def walk(half: vignette_sets.Half) -> list[Walked]:
    """Each vignette by itself, with a fresh dial and no limit on what may be diagnosed."""
    with tempfile.TemporaryDirectory() as fresh:
        settings = load_settings()
        dial = settings.dial.model_copy(update={"adaptive": False})
        free = Abstention(min_probability=0.0, max_entropy={"atlas": NO_LIMIT})
        directory = settings.knowledge.directory or settings.data_directory / "index"
        knowledge = settings.knowledge.model_copy(update={"directory": directory})
        changed = {"dial": dial, "abstention": free, "data_directory": Path(fresh), "knowledge": knowledge}
        deps = await asyncio.to_thread(build, settings.model_copy(update=changed))
        rows = vignette_sets.half(deps.library, half)
        return [Walked(row, await consult(CaseRequest(narrative=row.text), deps)) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true")
    test = parser.parse_args().test
    shipped = (DEFAULT_MAX_ENTROPY["atlas"], load_settings().abstention.min_probability)
    limits = [shipped] if test else [(ceiling, floor) for ceiling in CEILINGS for floor in FLOORS]
    walked = asyncio.run(walk("test" if test else "development"))
    held = [w for w in walked if w.narrative.reference != OTHER]
    quick = [w for w in held if "deliberate" not in w.report.path]
    table = Table(
        "entropy at most, nats", "first at least", "diagnosed", "right of these", f"strangers diagnosed, of {len(walked) - len(held)}"
    )
    for ceiling, floor in limits:
        row = outcomes(walked, ceiling, floor)
        table.add_row(f"{ceiling:.1f}", f"{floor:.2f}", f"{row.diagnosed:.2f}", f"{row.right:.3f}", str(row.strangers))
    console = Console()
    console.print(table)
    console.print(f"{len(held)} cases the atlas holds: first entry right {sum(w.right for w in held) / len(held):.3f}; without deliberation")
    console.print(f"{len(quick) / len(held):.2f} of them, right {sum(w.right for w in quick) / max(1, len(quick)):.3f}")


if __name__ == "__main__":
    main()
