"""What fits into a model's context, in its own tokens: passages and close-ups are added in order of value until it is full."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent.reasoners.profile import ImageTokens

TokenCount = Callable[[str], Awaitable[int | None]]
CHARACTERS_A_TOKEN = 3
"""Where the server does not count: English medical prose has more characters a token, so this errs on the side of room."""
SPARE = 96
"""Tokens left free for what the chat template adds."""
UNBOUNDED = 10**9
FIRST_PASSAGES = 2
"""Passages that come before any close-up."""


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens left for what may be added. `counted` is False where they had to be estimated from characters."""

    tokens: int
    counted: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How many passages and close-ups are sent, of those offered, best first."""

    passages: int
    crops: int


def image_tokens(rule: ImageTokens, width: int, height: int) -> int:
    """Tokens that one image of this size, in pixels, takes in the prompt, its marks included.

    >>> image_tokens(ImageTokens(kind="patches", side=28), 448, 336)
    194
    >>> image_tokens(ImageTokens(kind="tiles", side=448, tokens=256, most=12), 896, 448)
    770
    """
    if rule.kind == "patches":
        across, down = (max(1, round(length / rule.side)) for length in (width, height))
        return across * down * rule.tokens + 2
    return _tiles(rule, width, height) * rule.tokens + 2


def _tiles(rule: ImageTokens, width: int, height: int) -> int:
    """InternVL cuts an image into the grid nearest its shape, the larger of two equally near where the image fills half of it, and adds a
    thumbnail to more than one tile."""
    grids = sorted(((x, y) for x in range(1, rule.most + 1) for y in range(1, rule.most + 1) if x * y <= rule.most), key=lambda g: g[0] * g[1])
    nearest, best = math.inf, (1, 1)
    for x, y in grids:
        off = abs(x / y - width / height)
        if off < nearest or (off == nearest and width * height > 0.5 * rule.side**2 * x * y):
            nearest, best = off, (x, y)
    count = best[0] * best[1]
    return count + 1 if count > 1 else 1


async def room(context: int | None, new_tokens: int, fixed: str, images: int, count: TokenCount) -> Room:
    """What is left of a context of `context` tokens once the answer, the fixed text and the images are in; without a known context, no end."""
    if context is None:
        return Room(UNBOUNDED, counted=True)
    tokens, counted = await _tokens(fixed, count)
    return Room(context - new_tokens - SPARE - images - tokens, counted)


async def plan(left: Room, passages: Sequence[str], crops: Sequence[int], count: TokenCount) -> Plan:
    """`passages` are texts and `crops` the tokens of close-ups, best first. The first that does not fit ends its kind."""
    sizes = [size for size, _ in await asyncio.gather(*(_tokens(text, count) for text in passages))]
    offers = [("passage", size) for size in sizes[:FIRST_PASSAGES]] + [("crop", size) for size in crops]
    offers += [("passage", size) for size in sizes[FIRST_PASSAGES:]]
    taken, full, free = {"passage": 0, "crop": 0}, set[str](), left.tokens
    for kind, size in offers:
        if kind in full or size > free:
            full.add(kind)
            continue
        taken[kind] += 1
        free -= size
    return Plan(taken["passage"], taken["crop"])


async def _tokens(text: str, count: TokenCount) -> tuple[int, bool]:
    counted = await count(text)
    return (counted, True) if counted is not None else (math.ceil(len(text) / CHARACTERS_A_TOKEN), False)
