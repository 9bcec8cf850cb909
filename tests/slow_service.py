"""`python -m tests.slow_service GATE`: `fovea serve`, its atlas held back in assess for as long as the file GATE is there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer

from agent.ports import Assessment, Dossier
from agent.reasoners.atlas import AtlasReasoner
from agent.service.serving import serve
from agent.settings import load_settings


def hold_back(gate: Path) -> None:
    real = AtlasReasoner.assess

    async def assess(self: AtlasReasoner, dossier: Dossier) -> Assessment:
        while gate.exists():  # noqa: ASYNC110, ASYNC240 - another process holds it
            await asyncio.sleep(0.02)
        return await real(self, dossier)

    AtlasReasoner.assess = assess  # type: ignore[method-assign]


if __name__ == "__main__":
    hold_back(Path(sys.argv[1]))
    asyncio.run(serve(load_settings(), lambda address: typer.echo(f"fovea: serving on {address}", err=True)))
