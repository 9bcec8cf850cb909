"""The shipped example cases, one click away where the checkout has them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[3] / "examples"
TITLES = {"clear": "A clear case", "uncertain": "An uncertain case", "red_flag": "A red flag"}


class Example(NamedTuple):
    name: str
    title: str
    narrative: str
    image: Path


def examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Those whose narrative and photograph are there; an installed package has none."""
    return tuple(
        Example(name, title, (folder / f"{name}.txt").read_text("utf-8").strip(), folder / f"{name}.jpg")
        for name, title in TITLES.items()
        if (folder / f"{name}.txt").is_file() and (folder / f"{name}.jpg").is_file()
    )
