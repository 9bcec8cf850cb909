"""The arithmetic of the tap on whole rows."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tools.entropy_tap.coding import RES, STEP

Shift = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]


def shift_rows(logits: torch.Tensor, carry: torch.Tensor, temperatures: torch.Tensor) -> None:
    """Normalises each row and lowers it by its entropy, in place, and keeps what rounding leaves over.

    `logits`: float32 [n, vocabulary], -inf where a token is ruled out. `carry`: float32 [n, 1], nats. `temperatures`: float32 [n, 1].
    """
    total = torch.logsumexp(logits, -1, keepdim=True)
    logprobs = logits - total
    chances = logprobs.exp()
    entropy = -torch.where(chances > 0, chances * logprobs, 0.0).sum(-1, keepdim=True) + carry
    units = torch.round(entropy / RES)
    carry.copy_(entropy - units * RES)
    logits.copy_(logprobs - temperatures * (STEP * (1 + units)))


def shifter(device: torch.device | str) -> Shift:
    """`shift_rows`, fused into few passes over the rows where there is a GPU: at saturation it runs between any two tokens."""
    if torch.device(device).type != "cuda":
        return shift_rows
    return torch.compile(shift_rows, dynamic=True)
