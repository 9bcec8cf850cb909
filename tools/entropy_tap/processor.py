"""The tap itself: a logits processor of vLLM (0.25 and 0.32 were tried).

    vllm serve MODEL --logprobs-mode processed_logits --logits-processors tools.entropy_tap.processor:EntropyTap

or through the entry point `vllm.logits_processors` of an installed Fovea, with the same logprobs mode. A request asks with
`"vllm_xargs": {"fovea_entropy": 1}`, `"logprobs": true`; other requests are left as they are.

It takes the last word on a row: token masks, bad words, logit bias and minimum lengths come before it, and the entropy is that of what they
leave. Penalties come after it and are refused, as is a temperature it cannot bear. Where the two best logits lie within float32's spacing at
the lowered value (5e-4 at the largest shift, 6e-5 at one nat) the greedy choice between them may differ from the untapped one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, MoveDirectionality

from tools.entropy_tap.batch import Rows
from tools.entropy_tap.coding import ARGUMENT, COLDEST, asks
from tools.entropy_tap.shifting import shifter

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig

MODE = "processed_logits"
NAME = f"{__name__}:EntropyTap"
log = logging.getLogger("vllm.fovea.entropy_tap")


class EntropyTap(LogitsProcessor):  # type: ignore[misc]  # vLLM is not here when types are checked
    """Lowers the rows that asked by their entropy; see `tools.entropy_tap.coding`.

    Raises `ValueError` when it was named for a server whose mode would not return its numbers. Loaded by entry point into such a server it
    says so and does nothing; the numbers then lack its mark.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:  # noqa: ARG002 (vLLM's signature)
        self._idle = False
        model = vllm_config.model_config
        if model.logprobs_mode != MODE:
            trouble = f"the entropy tap needs --logprobs-mode {MODE}, and this server has {model.logprobs_mode}"
            if any(_is_this(named) for named in model.logits_processors or ()):
                raise ValueError(trouble)
            log.warning("%s: it does nothing here", trouble)
            self._idle = True
        self._rows = Rows(vllm_config.scheduler_config.max_num_seqs, device)
        self._shift = shifter(device)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raises `ValueError`, which the server answers as 400, for a request that asks for the tap together with what it cannot bear."""
        if not asks(sampling_params.extra_args):
            return
        wrong = []
        if sampling_params.logprobs is None:
            wrong.append("no log-probabilities, in which its numbers travel")
        if sampling_params.presence_penalty or sampling_params.frequency_penalty or sampling_params.repetition_penalty != 1:
            wrong.append("penalties, which come after it")
        if getattr(sampling_params, "thinking_token_budget", None) is not None:
            wrong.append("a thinking budget, which comes after it")
        if 0 < sampling_params.temperature < COLDEST:
            wrong.append(f"a temperature of {sampling_params.temperature:g}: 0, or {COLDEST:g} and more")
        if wrong:
            raise ValueError(f"{ARGUMENT} does not go with {'; nor with '.join(wrong)}")

    def is_argmax_invariant(self) -> bool:
        """False, so that vLLM applies it to greedy rows too."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        if not self._idle:
            self._rows.update(batch_update, MoveDirectionality.SWAP)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """`logits`: float32 [rows, vocabulary], changed in place."""
        rows = self._rows
        if not rows.count:
            return logits
        if rows.contiguous:
            carry = rows.carry[: rows.count]
            self._shift(logits[: rows.count], carry, rows.temperatures)
        else:
            some, carry = logits[rows.indices], rows.carry[rows.indices]
            self._shift(some, carry, rows.temperatures)
            logits[rows.indices] = some
            rows.carry[rows.indices] = carry
        return logits


def _is_this(named: str | type) -> bool:
    return named is EntropyTap or named == NAME
