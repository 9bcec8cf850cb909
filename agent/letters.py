"""Option letters read from tokens: which one a token spells, and the distribution over all of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from agent.token_entropy import usable


def letter_of(text: str, keys: Iterable[str]) -> str | None:
    """The option letter a token spells, or None: spaces and brackets around a single capital letter are allowed.

    >>> letter_of(" B", "ABC"), letter_of("(C)", "ABC"), letter_of("Both", "ABC"), letter_of("D", "ABC")
    ('B', 'C', None, None)
    """
    match = re.fullmatch(r"[\s(>\[*]*([A-Z])[\s).:,\]*<]*", text)
    return match[1] if match and match[1] in keys else None


def letter_distribution(alternatives: Iterable[tuple[str, float]], keys: Sequence[str]) -> dict[str, float]:
    """Distribution over option letters from the alternatives of the token that spelt the letter; sums to 1.

    Mass on other tokens, and the tail nothing is known of, says nothing about the letters: it is shared out evenly.

    >>> letter_distribution([("A", math.log(0.6)), (" B", math.log(0.2)), ("The", math.log(0.1))], "AB")
    {'A': 0.7, 'B': 0.3}
    """
    mass = dict.fromkeys(keys, 0.0)
    for text, logprob in alternatives:
        letter = letter_of(text, keys)
        if letter is not None and usable(logprob):
            mass[letter] += math.exp(min(logprob, 0.0))
    total = math.fsum(mass.values())
    if total > 1:
        return {key: value / total for key, value in mass.items()}
    share = (1 - total) / len(mass)
    return {key: round(value + share, 12) for key, value in mass.items()}
