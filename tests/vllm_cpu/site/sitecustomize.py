"""Runs at the start of every Python process of the server, because its directory is on PYTHONPATH.

The package index holds torchvision, torchaudio and torchcodec built for CUDA. Beside CPU torch the compiled operators do not load: the last two are
hidden, and of torchvision the operators are declared before its Python side asks for them. None of them is used by the tiny model.
"""

import importlib.abc
import importlib.machinery
import sys

for _name in ("torchaudio", "torchcodec"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]


class _Loader(importlib.abc.Loader):
    """Loads torchvision as it is, its operators declared, and tells it afterwards that it has them."""

    def __init__(self, inner):
        self._inner = inner
        self._kept = []

    def create_module(self, spec):
        return self._inner.create_module(spec)

    def exec_module(self, module):
        import torch

        if torch.version.cuda is None:
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            self._kept.append(library)
        self._inner.exec_module(module)
        if torch.version.cuda is None:
            sys.modules["torchvision.extension"]._has_ops = lambda: True


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


sys.meta_path.insert(0, _Finder())
