"""Which rows of a vLLM batch asked for the tap, and what rounding left over from each row's earlier tokens.

vLLM keeps requests in rows of a batch that changes from step to step: rows are removed, added, moved and swapped, in this order. Only the
shape of its `BatchUpdate` is used here, so that this works, and is tested, without vLLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from tools.entropy_tap.coding import asks


class _Params(Protocol):
    temperature: float
    extra_args: dict[str, object] | None


class BatchUpdate(Protocol):
    """What vLLM tells a logits processor of a changed batch (vllm.v1.sample.logits_processor.BatchUpdate)."""

    batch_size: int
    removed: Sequence[int]
    added: Sequence[tuple[int, _Params, list[int] | None, list[int]]]
    moved: Sequence[tuple[int, int, object]]


class Rows:
    """The asking rows of a batch. Changes cost a few numbers sent to the device; a step without changes costs nothing.

    `indices`: int64 [n], rows that asked, ascending. `temperatures`: float32 [n, 1], by which their shift is multiplied. `carry`: float32
    [rows, 1] on the device, nats, of every row. A request that vLLM sets aside and takes up again starts with a carry of 0.
    """

    def __init__(self, size: int, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._temperature: list[float] = [0.0] * size
        """Of every row: 0 where the tap is not asked for."""
        self.carry = torch.zeros((size, 1), dtype=torch.float32, device=self._device)
        self.indices = torch.empty(0, dtype=torch.int64, device=self._device)
        self.temperatures = torch.empty((0, 1), dtype=torch.float32, device=self._device)
        self.count = 0
        self.contiguous = True
        """Whether the asking rows are the first `count` rows."""

    def update(self, change: BatchUpdate | None, swap: object) -> None:
        """Follows a change of the batch. `swap` is vLLM's mark of a two-way move."""
        if change is None:
            return
        origin: dict[int, int | None] = {}
        """Where the carry of a changed row comes from; None: it starts at 0."""
        for row in change.removed:
            self._temperature[row], origin[row] = 0.0, None
        for row, params, _, _ in change.added:
            self._temperature[row] = (params.temperature or 1.0) if asks(params.extra_args) else 0.0
            origin[row] = None
        for one, other, direction in change.moved:
            mine, theirs = origin.get(one, one), origin.get(other, other)
            asked = self._temperature[one]
            if direction == swap:
                self._temperature[one], origin[one] = self._temperature[other], theirs
            else:
                self._temperature[one], origin[one] = 0.0, None
            self._temperature[other], origin[other] = asked, mine
        self._settle(origin)

    def _settle(self, origin: dict[int, int | None]) -> None:
        asking = [row for row, temperature in enumerate(self._temperature) if temperature]
        moved = {row: source for row, source in origin.items() if self._temperature[row] and source != row}
        if moved:
            to, source = self._sent(list(moved)), self._sent([row if s is None else s for row, s in moved.items()])
            kept = self._sent([float(s is not None) for s in moved.values()]).unsqueeze(1)
            self.carry[to] = self.carry[source] * kept
        self.count = len(asking)
        self.contiguous = asking == list(range(self.count))
        self.indices = self._sent(asking)
        self.temperatures = self._sent([self._temperature[row] for row in asking]).unsqueeze(1)

    def _sent(self, values: Sequence[int] | Sequence[float]) -> torch.Tensor:
        kind = torch.float32 if values and isinstance(values[0], float) else torch.int64
        return torch.tensor(values, dtype=kind).to(self._device, non_blocking=True)
