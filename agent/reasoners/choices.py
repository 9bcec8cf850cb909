"""Answers to multiple-choice questions: the letter, and the distribution over all letters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from agent.domain import Answer, AnswerOption
from agent.letters import letter_distribution, letter_of
from agent.reasoners.parsing import Parsed
from agent.token_entropy import Token


def answer_from_tokens(
    options: Sequence[AnswerOption], parsed: Parsed, answer_tokens: Sequence[Token], probability: float | None
) -> Answer | None:
    """The letter of one response with the model's own distribution at the token that spelt it; None when it named no option.

    Where no token spells the letter (the option's words were written out), it gets the `probability` of those words, and the rest
    is shared out evenly.
    """
    if not parsed.letters:
        return None
    letter, keys = parsed.letters[0], [option.key for option in options]
    spelling = next((token for token in answer_tokens if letter_of(token.text, keys) == letter), None)
    if spelling is not None:
        distribution = letter_distribution(spelling.known, keys)
        note = "" if spelling.usable else "the log-probability of the letter is unusable, so the letters are not told apart"
    else:
        distribution = letter_distribution([(letter, math.log(probability))] if probability else [], keys)
        note = "no token spells the letter, so its probability is that of the words of the answer"
    if len(parsed.letters) > 1:
        note = "; ".join(part for part in (note, f"{', '.join(parsed.letters)} were named; the first counts") if part)
    return Answer(letter=letter, text=_text(options, letter), probabilities=distribution, note=note)


def answer_from_votes(options: Sequence[AnswerOption], read: Sequence[Parsed], previous: Answer | None) -> Answer | None:
    """The letter most samples chose, ties going to the earlier answer; None when no sample named an option.

    The distribution is the share of samples per letter, with the share of useless samples spread evenly. It sums to 1.
    """
    votes = Counter(parsed.letters[0] for parsed in read if parsed.letters)
    if not votes:
        return None
    keys = [option.key for option in options]
    spread = (len(read) - votes.total()) / len(keys)
    most = max(votes.values())
    tied = sorted(key for key, count in votes.items() if count == most)
    letter = previous.letter if previous is not None and previous.letter in tied else tied[0]
    return Answer(
        letter=letter,
        text=_text(options, letter),
        probabilities={key: (votes[key] + spread) / len(read) for key in keys},
        note=f"chosen by {most} of {len(read)} sampled answers" + (f", tied with {len(tied) - 1} other" if len(tied) > 1 else ""),
    )


def _text(options: Sequence[AnswerOption], letter: str) -> str:
    return next(option.text for option in options if option.key == letter)
