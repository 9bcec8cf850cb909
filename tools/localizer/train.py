"""Trains the detector from a random start and exports it to ONNX. Needs the extra `train` (ultralytics, AGPL-3.0) and, to be quick, a GPU."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tools.localizer.augment import imitate_camera
from tools.localizer.dataset import CLASSES, prepare

WEIGHTS_NAME = "fovea-localizer.onnx"
OPSET = 17
AUGMENTATION = {
    "degrees": 8, "flipud": 0.5, "fliplr": 0.5, "translate": 0.12, "scale": 0.4, "hsv_h": 0.02, "hsv_s": 0.4, "hsv_v": 0.3,
}  # fmt: skip
"""Little rotation: the boxes are upright, and a rotated one grows until it no longer fits its lesion."""


def train(
    data: Path,
    out: Path,
    epochs: int = 110,
    image_size: int = 1024,
    device: str = "0",
    *,
    batch: int = 16,
    workers: int = 8,
    minutes: float | None = None,
    cameras: bool = False,
    mosaic: float = 0.5,
    seed: int = 0,
) -> dict[str, Any]:
    """Trains yolo26n on `data` (the folder `dataset.read` takes, or one `dataset.prepare` wrote) and writes `out`.

    `out` receives best.pt, the ONNX export (fp32, static 1 x 3 x image_size x image_size, raw one-to-many head, opset 17), its card
    (when `data` is the unprepared folder, which the run time is then measured on) and metrics.json, whose content is returned:
    average precision at IoU 0.5 per class on the validation fold by ultralytics' own measure, with non-maximum suppression and by the
    end-to-end head. The defaults are those of the shipped weights. `minutes` limits the training instead of `epochs`; `cameras`
    imitates other cameras; `device` is one device: cpu, 0, 1. Raises ImportError when the extra is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="fovea-train-"))
    _offline(scratch)
    from ultralytics import YOLO

    folder = data if (data / "images" / "train").is_dir() else prepare(data, scratch / "data", max(1152, image_size))
    description = scratch / "data.yaml"
    names = ", ".join(f"{index}: {name}" for index, name in enumerate(CLASSES))
    description.write_text(f"path: {folder.resolve()}\ntrain: images/train\nval: images/val\nnames: {{{names}}}\n")
    start = time.monotonic()
    model = YOLO("yolo26n.yaml")
    model.train(
        trainer=_trainer(cameras), data=str(description), imgsz=image_size, epochs=epochs, device=device, batch=batch, workers=workers,
        time=minutes / 60 if minutes else None, project=str(scratch), name="run", cos_lr=True, mosaic=mosaic, close_mosaic=15,
        cache="ram", patience=0, plots=False, verbose=False, seed=seed, amp=device != "cpu", **AUGMENTATION,
    )  # fmt: skip
    seconds = time.monotonic() - start
    best = out / "best.pt"
    shutil.copy(scratch / "run" / "weights" / "best.pt", best)
    shutil.copy(scratch / "run" / "results.csv", out / "epochs.csv")
    metrics = {
        "image_size": image_size, "seconds": round(seconds), "cameras": cameras, "mosaic": mosaic, "seed": seed,
        "ap50": _average_precision(best, description, image_size, device, None),
        "ap50_end_to_end": _average_precision(best, description, image_size, device, False),
    }  # fmt: skip
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    weights = export(best, out / WEIGHTS_NAME, image_size)
    if folder != data:
        from tools.localizer.calibrate import write_card

        write_card(data, weights, image_size)
    return metrics


def export(checkpoint: Path, target: Path, image_size: int) -> Path:
    """Writes `checkpoint` as ONNX with its raw one-to-many head.

    Output: 1 x (4 + classes) x candidates, boxes as centre and size in pixels of the square. Names and notes the run time does not
    need are dropped from the file: they hold the training machine's folders.
    """
    import onnx
    from ultralytics import YOLO

    written = Path(YOLO(str(checkpoint)).export(format="onnx", imgsz=image_size, opset=OPSET, simplify=False, device="cpu"))
    model = onnx.load(written)
    written.unlink()
    fixed = {value.name for value in (*model.graph.input, *model.graph.output)}
    short: dict[str, str] = {}
    for values in [[value.name for value in model.graph.initializer], *([*node.input, *node.output] for node in model.graph.node)]:
        for name in values:
            if name and name not in fixed:
                short.setdefault(name, f"v{len(short)}")
    for initializer in model.graph.initializer:
        initializer.name = short[initializer.name]
    for number, node in enumerate(model.graph.node):
        node.name, node.doc_string = f"n{number}", ""
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    del model.graph.value_info[:], model.metadata_props[:]
    notes = {"names": ",".join(CLASSES), "license": "AGPL-3.0", "trained_with": "ultralytics yolo26n"}
    onnx.helper.set_model_props(model, notes)
    model.producer_name, model.producer_version, model.doc_string, model.graph.name = "fovea", "", "", "localizer"
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return target


def _average_precision(checkpoint: Path, description: Path, image_size: int, device: str, nms: bool | None) -> dict[str, float]:
    from ultralytics import YOLO

    box = YOLO(str(checkpoint)).val(
        data=str(description), imgsz=image_size, device=device, plots=False, verbose=False, conf=0.001, nms=nms, workers=2
    ).box  # fmt: skip
    return {CLASSES[index]: round(float(value), 4) for index, value in zip(box.ap_class_index, box.ap50, strict=True)}


def _offline(folder: Path) -> None:
    """Keeps ultralytics from phoning, installing and fetching a font."""
    import matplotlib  # type: ignore[import-not-found,unused-ignore]  # comes with the extra

    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(folder))
    fonts = folder / "Ultralytics"
    fonts.mkdir()
    shutil.copy(Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", fonts / "Arial.ttf")
    from ultralytics import settings

    settings.update({"sync": False})


def _trainer(cameras: bool) -> Any:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.models.yolo.detect import DetectionTrainer

    class Fundus(YOLODataset):  # type: ignore[misc]  # ultralytics is untyped
        def build_transforms(self, hyp: Any = None) -> Any:
            transforms = super().build_transforms(hyp)
            if self.augment and cameras:
                transforms.insert(len(transforms.transforms) - 1, _imitate)  # before the last one, which makes tensors
            return transforms

    class Trainer(DetectionTrainer):  # type: ignore[misc]
        def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
            dataset = super().build_dataset(img_path, mode, batch)
            if mode == "train":
                dataset.__class__ = Fundus  # ultralytics names its dataset class in a function; this is the smallest way in
                dataset.transforms = dataset.build_transforms(self.args)
            return dataset

    return Trainer


def _imitate(labels: dict[str, Any]) -> dict[str, Any]:
    # torch seeds numpy's global generator anew in every loader process; a generator of our own would repeat itself across them
    rng = np.random.default_rng(np.random.randint(2**31))
    labels["img"] = imitate_camera(labels["img"], rng)
    return labels
