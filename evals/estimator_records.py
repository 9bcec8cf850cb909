"""What an estimator of uncertainty is judged on: an answer known to be right or wrong, beside all that was measured while it was made.

One JSON object a line. A run of real cases writes the same lines, and what it did not measure it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from agent.errors import InputError
from agent.token_entropy import Token
from agent.values import Nats, Probability, Value


class ToldToken(Value):
    """A generated token as a server tells it: log-probabilities of itself and of the likeliest beside it; its entropy where a tap did."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    entropy: Nats | None = None

    def token(self, *, tapped: bool = True) -> Token:
        return Token(self.text, self.logprob, self.top, self.entropy if tapped else None)


class Record(Value):
    """One answered case.

    `answer` are the tokens of the answer span, `thinking` the entropies of the thinking before it in nats, a value a token. `samples`
    are further answers to the same question, in the order they came, and `sample_tokens` what each cost. `verbal` is the confidence the
    model put into words, and `verbal_tokens` what asking for it cost. `disagreement` is that of `agent.agreement`, in nats.
    """

    case_id: str
    correct: bool
    vocabulary: Annotated[int, Field(ge=2)]
    answer: tuple[ToldToken, ...]
    thinking: tuple[Nats, ...] = ()
    samples: tuple[str, ...] = ()
    sample_tokens: tuple[int, ...] = ()
    verbal: Probability | None = None
    verbal_tokens: int = 0
    disagreement: Nats | None = None

    @property
    def tokens(self) -> int:
        """What the answer itself cost, in generated tokens."""
        return len(self.thinking) + len(self.answer)


def read_records(path: Path) -> tuple[Record, ...]:
    """Raises `InputError` naming file and line."""
    try:
        return tuple(_parsed(path, path.read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def write_records(path: Path, records: Iterable[Record]) -> None:
    path.write_text("".join(f"{record.model_dump_json(exclude_defaults=True)}\n" for record in records), "utf-8")


def _parsed(path: Path, lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Record.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]
            raise InputError(f"{path}, line {number}: {problem['msg']} at {'.'.join(map(str, problem['loc'])) or 'the start'}") from error
