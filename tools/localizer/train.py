"""Trains the detector from a random start and exports it to ONNX. Needs the extra `train` (ultralytics, AGPL-3.0) and a GPU to be quick."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from tools.localizer.dataset import prepare
from tools.localizer.fitting import Recipe, fit
from tools.localizer.network import Network
from tools.localizer.stores import load
from tools.renderer.training_set import write as draw

WEIGHTS_NAME = "fovea-localizer.onnx"
REAL_SIDE, DRAWN_SIDE = 1280, 1024
"""Long side at which photographs are kept for training, and width at which pictures are drawn, pixels."""
DRAWN_COUNT = 1500
STAGES: tuple[tuple[Recipe, int], ...] = (
    (Recipe(batch=16, rate=1.5e-3, drawn_share=0.35, start_up=0.15, lenient=1.0, memory=0.9985), 1280),
    (Recipe(batch=40, rate=2.5e-3, drawn_share=0.20, start_up=0.0, lenient=0.25, memory=0.998, seed=4), 1425),
    (Recipe(batch=40, rate=1.5e-3, drawn_share=0.20, start_up=0.0, lenient=0.25, memory=0.998, seed=14), 905),
)
"""How the shipped weights were made: a start on drawn pictures and few photographs, then two rounds of a cosine each. Recipe, steps."""


def train(
    data: Path,
    out: Path,
    *,
    stages: Sequence[tuple[Recipe, int]] = STAGES,
    image_size: int = 1024,
    effort: float = 1.0,
    device: str = "cpu",
    drawn: int = DRAWN_COUNT,
    processes: int = 1,
) -> dict[str, Any]:
    """Trains on the folder `data` (see `dataset.read`) and on `drawn` pictures of the renderer, drawn by so many `processes`.

    `out` receives the weights as ONNX (1 x 3 x image_size x image_size in), their card with thresholds, fits and figures on the
    validation fold, network.pt (a state dictionary) and training.json, whose content is returned. `effort` scales the steps of every
    stage; `device` is one torch device: cpu, cuda:0. Raises ImportError when the extra is not installed.
    """
    from tools.localizer.calibrate import write_card  # together with what it imports, only where a card is written
    from tools.localizer.exporting import export

    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="fovea-train-"))
    begun = time.monotonic()
    try:
        folder = prepare(data, scratch / "real", REAL_SIDE)
        on = torch.device(f"cuda:{device}" if device.isdigit() else device)
        names = sorted(path.stem for path in (folder / "images" / "train").glob("*.jpg"))
        real = load(folder, names, REAL_SIDE, on, drawn=False, fold="train")
        pictures = None
        if drawn:
            draw(scratch / "drawn", drawn, DRAWN_SIDE, seed=1, processes=processes)
            pictures = load(scratch / "drawn", [f"{number:05}" for number in range(drawn)], DRAWN_SIDE, on, drawn=True)
        network: Network | None = None
        for recipe, steps in stages:
            fitted = replace(recipe, side=image_size)
            network = fit(fitted, real, pictures, on, steps=max(1, round(steps * effort)), start=network)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if network is None:
        raise ValueError("no stage to train: give at least one recipe")
    torch.save(network.state_dict(), out / "network.pt")
    weights = export(network, out / WEIGHTS_NAME, image_size)
    card = write_card(data, weights, image_size)
    record = {
        "image_size": image_size, "photographs": len(real), "drawn": drawn, "effort": effort, "seconds": round(time.monotonic() - begun),
        "stages": [{"steps": round(steps * effort), **asdict(recipe)} for recipe, steps in stages], "measured": card.measured,
    }  # fmt: skip
    (out / "training.json").write_text(json.dumps(record, indent=1))
    return record
