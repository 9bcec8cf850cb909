"""A language model small enough to be known exactly: a prefix tree over the ways to write an answer.

Every distribution it samples from is at hand, so entropies, log-probabilities and their truncation are true, not imitated.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.token_entropy import Token
from agent.uncertainty import entropy

END = "</answer>"
_Chooser = Callable[[Mapping[str, float]], str]


@dataclass(slots=True)
class _Node:
    mass: float = 0.0
    children: dict[str, _Node] = field(default_factory=dict)


class AnswerModel:
    """Writes one of `texts`, each with its probability (they sum to 1), token by token."""

    def __init__(self, texts: Mapping[str, float]) -> None:
        self._root = _Node()
        for text, probability in texts.items():
            node = self._root
            node.mass += probability
            for token in pieces(text):
                node = node.children.setdefault(token, _Node())
                node.mass += probability

    def greedy(self, top: int) -> tuple[Token, ...]:
        """The answer whose every token is the likeliest of its position, with the `top` likeliest beside each, and exact entropies."""
        return tuple(self._walk(lambda shares: max(shares, key=lambda token: (shares[token], token)), top))

    def sampled(self, chance: random.Random) -> str:
        """An answer drawn from the model."""
        drawn = self._walk(lambda shares: chance.choices(list(shares), list(shares.values()))[0], 0)
        return written(tuple(drawn))

    def _walk(self, choose: _Chooser, top: int) -> Iterator[Token]:
        node = self._root
        while node.children:
            shares = {token: child.mass / node.mass for token, child in node.children.items()}
            token = choose(shares)
            best = sorted(shares.items(), key=lambda item: -item[1])[:top]
            told = tuple((text, math.log(share)) for text, share in best)
            yield Token(token, math.log(shares[token]), told, entropy(shares.values()))
            node = node.children[token]


def pieces(text: str) -> list[str]:
    """The tokens of an answer, the closing tag included.

    >>> pieces("retinal vein")
    ['reti', 'nal', ' vein', '</answer>']
    """
    return [*re.findall(r"\s*\S{1,4}", text), END]


def written(tokens: Sequence[Token]) -> str:
    """The answer that tokens spell, without its closing tag."""
    return "".join(token.text for token in tokens).removesuffix(END)
