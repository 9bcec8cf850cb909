"""From a trained network to the ONNX file the run time reads. Needs torch, ultralytics and onnx."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tools.localizer.classes import CLASSES
from tools.localizer.network import Network

OPSET = 17
LICENSE = "AGPL-3.0"
LARGE = 256
"""Weights with more values than this are kept in half precision; the network still computes in single precision."""


def export(network: Network, target: Path, side: int) -> Path:
    """Writes the network: input `images`, 1 x 3 x side x side, RGB, 0 to 1; output 1 x (4 + classes) x candidates, boxes as centre and
    size in pixels, before non-maximum suppression. Carries what ultralytics needs to run it, and nothing of this machine."""
    import onnx

    ready = _ready(network)
    with torch.no_grad():
        picture = torch.rand(1, 3, side, side)
        ready(picture)  # the head lays out its candidates at the first call
        torch.onnx.export(
            ready, (picture,), target, input_names=["images"], output_names=["output0"], opset_version=OPSET, dynamo=False
        )  # fmt: skip
    model = onnx.load(target)
    _halve(model)
    _strip(model)
    notes = {
        "names": str(dict(enumerate(CLASSES))), "stride": "32", "task": "detect", "imgsz": f"[{side}, {side}]", "batch": "1", "channels": "3",
        "license": LICENSE, "description": "Fovea localizer", "author": "trained with Ultralytics",
    }  # fmt: skip
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return target


def _ready(network: Network) -> Network:
    network = deepcopy(network).cpu().float().eval()
    network.yolo.fuse(verbose=False)
    head = network.yolo.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    return network


def _halve(model: Any) -> None:
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype == np.float32 and values.size > LARGE:
            name = initializer.name
            initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _strip(model: Any) -> None:
    """Short names and no notes: the exporter writes the folders of the machine it ran on."""
    fixed = {value.name for value in (*model.graph.input, *model.graph.output)}
    short: dict[str, str] = {}

    def named(name: str) -> str:
        return name if not name or name in fixed else short.setdefault(name, f"v{len(short)}")

    for initializer in model.graph.initializer:
        initializer.name = named(initializer.name)
    for number, node in enumerate(model.graph.node):
        node.name, node.doc_string = f"n{number}", ""
        node.input[:] = [named(name) for name in node.input]
        node.output[:] = [named(name) for name in node.output]
    del model.graph.value_info[:], model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string, model.graph.name = "fovea", "", "", "localizer"
