"""A short training from the first batch to weights the run time reads. Skipped without the extra `train`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.torchvision_cpu import importable

if not importable():
    pytest.skip("ultralytics is not installed: pip install -e '.[train]'", allow_module_level=True)

from tests.unit.test_sampling import squares
from tools.localizer.classes import CLASSES, DRUSEN, HARD_EXUDATE
from tools.localizer.dataset import fold_of
from tools.localizer.exporting import export
from tools.localizer.fitting import Recipe, fit
from tools.localizer.network import LocalContrast, Network
from tools.localizer.stores import Store
from tools.localizer.train import WEIGHTS_NAME, train
from tools.renderer import LesionGroup, Scene, render

pytestmark = pytest.mark.filterwarnings("default")  # ultralytics and the exporter warn of their own affairs
CPU = torch.device("cpu")
TINY = Recipe(side=128, batch=4, rate=3e-3, start_up=0.0, cameras=False, transplant=False, memory=0.5)


def everything(*stores: Store) -> Store:
    return Store(*(torch.cat([getattr(one, f.name) for one in stores]) for f in dataclasses.fields(Store)))


def test_training_learns_where_the_squares_are() -> None:
    """A few dozen steps on grey pictures with a white square: scores inside squares rise over those outside."""
    store = squares(*[(0.3 + 0.02 * n, 0.35, 0.55 + 0.02 * n, 0.6) for n in range(8)])
    network = fit(TINY, store, None, CPU, steps=150, report=lambda _: None)
    with torch.no_grad():
        seen = network(store.images.float() / 255)
    best = seen[:, 4 + HARD_EXUDATE].argmax(dim=1)
    centre = torch.stack([seen[n, :2, place] for n, place in enumerate(best)]) / 128
    box = store.boxes[:, 0]
    inside = ((centre > box[:, :2]) & (centre < box[:, 2:])).all(dim=1)
    assert int(inside.sum()) >= 6
    assert float(seen[:, 4 + DRUSEN].max()) < float(seen[:, 4 + HARD_EXUDATE].max())


def test_the_export_gives_what_the_network_gives_and_names_no_folder(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(1)
    network = Network("yolo26n", len(CLASSES)).eval()
    target = export(network, tmp_path / "weights.onnx", 128)
    picture = torch.rand(1, 3, 128, 128)
    session = onnxruntime.InferenceSession(target.read_bytes(), providers=["CPUExecutionProvider"])
    given = session.run(None, {"images": picture.numpy()})[0]
    with torch.no_grad():
        wanted = network(picture).numpy()
    assert given.shape == (1, 4 + len(CLASSES), 16 * 16 + 8 * 8 + 4 * 4)
    assert np.abs(given[:, 4:] - wanted[:, 4:]).max() < 2e-3
    assert np.abs(given[:, :4] - wanted[:, :4]).max() < 1.5
    assert str(tmp_path).encode() not in target.read_bytes()
    assert str(Path.cwd()).encode() not in target.read_bytes()


def test_local_contrast_does_not_see_tint_or_exposure_and_keeps_black_black() -> None:
    seen = render(Scene(width=384, lesions=(LesionGroup(kind="blot_haemorrhage", count=6),)), seed=2).image.crop((64, 0, 320, 256))
    pixels = torch.from_numpy(np.array(seen)).permute(2, 0, 1)[None].float() / 255
    lit = (pixels.amax(dim=1, keepdim=True) > 0.2).float()
    other = (pixels * torch.tensor([0.7, 0.8, 0.9])[None, :, None, None]).clamp(0, 1)
    layer = LocalContrast()
    one, two = layer(pixels)[:, 3:], layer(other)[:, 3:]
    assert float(((one - two).abs() * lit).mean()) < 0.25 * float((one.abs() * lit).mean())
    assert float((one * (pixels.amax(dim=1, keepdim=True) < 0.05)).abs().max()) == 0


def test_a_limit_is_needed() -> None:
    with pytest.raises(ValueError, match="steps, seconds, or both"):
        fit(TINY, squares((0.1, 0.1, 0.2, 0.2)), None, CPU)


def test_the_command_trains_exports_and_writes_a_card(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for kind in ("images", "labels"):
        (data / kind).mkdir(parents=True)
    folds = [next(f"{n:04}" for n in range(1, 200) if fold_of(f"{n:04}", {}) == fold) for fold in ("train", "val")]
    for seed, name in enumerate(folds):
        drawn = render(Scene(width=300, lesions=(LesionGroup(kind="hard_exudate", count=4),)), seed=seed)
        drawn.image.save(data / "images" / f"{name}.jpg")
        boxes = [(0, drawn.optic_disc), *((1, one.box) for one in drawn.lesions)]
        lines = [f"{c} {(b.x1 + b.x2) / 2} {(b.y1 + b.y2) / 2} {b.x2 - b.x1} {b.y2 - b.y1}\n" for c, b in boxes]
        (data / "labels" / f"{name}.txt").write_text("".join(lines))
    (data / "exact_duplicates.csv").write_text("a,b\n")
    record = train(data, tmp_path / "out", stages=((dataclasses.replace(TINY, batch=2), 2),), image_size=128, drawn=2)
    assert json.loads((tmp_path / "out" / "training.json").read_text())["photographs"] == record["photographs"] == 1
    card = json.loads((tmp_path / "out" / WEIGHTS_NAME).with_suffix(".json").read_text())
    assert [one["name"] for one in card["classes"]] == list(CLASSES)
    assert set(card["signals"]) == {"hard_exudate", "haemorrhage", "no_visible_lesion"}
    assert not any(one["enabled"] for one in card["classes"] if one["name"] in ("drusen", "soft_exudate", "microaneurysm"))
