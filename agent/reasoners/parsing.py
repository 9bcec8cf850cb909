"""Reads a model's response: what it thought, what it answered, which letters it chose. Tolerant, and it never raises.

Rules, in the order they apply:
- In a JSON object the texts of "thinking" and "answer" count, as they stand there.
- `<answer>` tags after the last `</think>` count; where there are several with text in them, the last one does.
- Without such tags: the text after `</think>`, else after the last "answer:" or "answer is", else the whole response.
- A `<think>` that is never closed has no answer: the response was cut off.
Whatever had to be guessed is said in `problem`; an empty `problem` means the contract was kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.domain import AnswerOption
from agent.values import Value

TAG = re.compile(r"<\s*(/?)\s*(think|answer)\s*>", re.IGNORECASE)
END_OF_TEXT = re.compile(r"<\|(?:im_end|endoftext|end|eot_id)\|>|</s>")
ANSWER_WORDS = re.compile(r"\banswer\s*(?:is|:)\s*", re.IGNORECASE)
LEAD_IN = re.compile(
    r"^(?:final answer|answer|final diagnosis|diagnosis)\s*(?:is\b|:)\s*"
    r"|^the (?:final |correct )?answer is\s+"
    r"|^the (?:most likely )?(?:final )?diagnosis is\s+",
    re.IGNORECASE,
)
NO_ANSWERS = frozenset(
    """|answer|answer here|disease name|final answer|n/a|na|none|null|unknown|uncertain|undetermined|not sure|unclear
    |cannot determine|cannot be determined|i cannot determine|i do not know|i don't know""".replace("\n    ", "").split("|")
)
"""Answers, lower case, that name nothing; the first is the empty one, and two are echoes of the prompt."""
LETTER_LIST = re.compile(r"[A-Z](?:(?:\s*[,;/&]\s*|\s+and\s+|\s+)[A-Z])*", re.IGNORECASE)
LETTER_LEAD = re.compile(r"(?:option\s+([A-Z])\b|[(\[]?([A-Z])(?:[)\].:]|\s+[-\u2013\u2014]))\s*(.*)", re.IGNORECASE)
JSON_FIELD = r'"{}"\s*:\s*"((?:[^"\\]|\\.)*)"'
JSON_ANSWER, JSON_THINKING = (re.compile(JSON_FIELD.format(name), re.DOTALL) for name in ("answer", "thinking"))
LONGEST_NAME = 120
"""Characters; a longer answer to an open question is prose, not the name of a disease."""


class Span(NamedTuple):
    """Character offsets [start, end) into the response."""

    start: int
    end: int


class Located(NamedTuple):
    """Where thinking and answer stand in a response; None where there is none."""

    think: Span | None
    answer: Span | None
    problem: str


class Parsed(Value):
    """A response, read. `letters` are option keys in the order written; empty for an open question."""

    think: str = ""
    answer: str = ""
    letters: tuple[str, ...] = ()
    problem: str = ""


def locate(response: str) -> Located:
    """Finds the spans of thinking and answer by the rules above. Works on the text of the tokens as well as on the message.

    >>> text = "<think>cupped disc</think><answer> Glaucoma </answer>"
    >>> think, answer, problem = locate(text)
    >>> text[slice(*think)], text[slice(*answer)], problem
    ('cupped disc', 'Glaucoma', '')
    """
    stop = END_OF_TEXT.search(response)
    length = stop.start() if stop else len(response)
    fields = _in_json(response[:length])
    if fields is not None:
        return fields
    tags = [(match.group(2).lower(), bool(match.group(1)), match) for match in TAG.finditer(response, 0, length)]
    thought = [match for name, closes, match in tags if name == "think" and closes]
    opened = [match for name, closes, match in tags if name == "think" and not closes]
    after = thought[-1].end() if thought else 0
    think = _trim(response, opened[0].end() if opened else 0, thought[-1].start()) if thought else None

    found: list[tuple[Span, bool]] = []
    for index, (name, closes, match) in enumerate(tags):
        if name == "answer" and not closes and match.start() >= after:
            following = next((tag for tag in tags[index + 1 :] if tag[0] == "answer"), None)
            span = _trim(response, match.end(), following[2].start() if following else length)
            if span is not None:
                found.append((span, following is not None and following[1]))
    if found:
        span, closed = found[-1]
        problems = [] if closed else ["the <answer> tag is not closed"]
        if len({response[slice(*each)].casefold() for each, _ in found}) > 1:
            problems.append(f"{len(found)} different answers; the last one counts")
        if opened and think is None:
            think = _trim(response, opened[0].end(), found[0][0].start)
        return Located(think, span, "; ".join(problems))
    if any(name == "answer" and not closes for name, closes, match in tags if match.start() >= after):
        return Located(think, None, "the answer is empty")
    if thought:
        span_after = _trim(response, after, length)
        problem = "no <answer> tags: the text after </think> is taken" if span_after else "the answer is empty"
        return Located(think, span_after, problem)
    if opened:
        return Located(_trim(response, opened[-1].end(), length), None, "cut off while thinking: no answer")
    marker = next(reversed(list(ANSWER_WORDS.finditer(response, 0, length))), None)
    whole = _trim(response, marker.end() if marker else 0, length)
    if whole is None:
        return Located(None, None, "the answer is empty")
    return Located(None, whole, f"no <answer> tags: {'the words after “answer”' if marker else 'the whole response'} taken")


def shortened(text: str, length: int = LONGEST_NAME) -> str:
    """Text of at most `length` characters, with an ellipsis where it was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def parse(response: str | None, options: Sequence[AnswerOption] = ()) -> Parsed:
    """Reads a response to an open question, or to one with `options`.

    >>> parse("<think>thick cornea</think><answer>Fuchs dystrophy.</answer>").answer
    'Fuchs dystrophy'
    >>> parse("<answer>B. Glaucoma</answer>", [AnswerOption(key="B", text="Glaucoma")]).letters
    ('B',)
    >>> parse('{"thinking": "thick\\\\ncornea", "answer": "Fuchs dystrophy"}').answer
    'Fuchs dystrophy'
    >>> parse("").problem
    'the answer is empty'
    """
    text = response or ""
    where = locate(text)
    think = _unescaped(text[slice(*where.think)]) if where.think else ""
    answer = clean(_unescaped(text[slice(*where.answer)])) if where.answer else ""
    problems = [where.problem] if where.problem else []
    letters: tuple[str, ...] = ()
    if answer.casefold() in NO_ANSWERS:
        if not problems or answer:
            problems.append(f"the answer names nothing: {answer!r}")
        answer = ""
    elif options:
        letters, doubt = read_letters(answer, options)
        if doubt:
            problems.append(doubt)
    elif len(answer) > LONGEST_NAME:
        problems.append(f"the answer is prose of {len(answer)} characters, not a name")
    return Parsed(think=think, answer=answer, letters=letters, problem="; ".join(problems))


def clean(answer: str) -> str:
    """An answer without markdown, quotation marks, lead-in words and closing full stop, on one line.

    >>> clean("**The most likely diagnosis is  central serous chorioretinopathy.**")
    'central serous chorioretinopathy'
    """
    line = " ".join(TAG.sub(" ", answer).split())
    line = LEAD_IN.sub("", line.strip(" *_#`\"'“”"))
    return line.strip(" *_#`\"'“”").rstrip(" .;,:")


def read_letters(answer: str, options: Sequence[AnswerOption]) -> tuple[tuple[str, ...], str]:
    """The option letters an answer names, in the order written, and what was doubtful about it.

    A letter counts when it stands alone, in a list, or before a full stop, bracket, colon or dash ("B. Glaucoma"); where letter and
    words disagree the letter wins. Without a letter, the words of exactly one option will do.

    >>> options = [AnswerOption(key="A", text="Cataract"), AnswerOption(key="B", text="Glaucoma")]
    >>> read_letters("A,B", options), read_letters("it is Glaucoma", options)
    ((('A', 'B'), ''), (('B',), 'no letter: taken from the words of option B'))
    """
    texts = {option.key: option.text.casefold() for option in options}
    folded = answer.casefold()
    if LETTER_LIST.fullmatch(answer.strip(" ()[].")):
        named = re.findall(r"\b[A-Z]\b", answer.upper())
    elif lead := LETTER_LEAD.match(answer):
        named = [(lead[1] or lead[2]).upper()]
        words = lead[3].strip(" .-").casefold()
        others = [key for key, text in texts.items() if text == words and key != named[0]]
        if others and named[0] in texts:
            return (named[0],), f"letter {named[0]} with the words of option {others[0]}: the letter counts"
    else:
        exact = [key for key, text in texts.items() if text == folded]
        within = exact or [key for key, text in texts.items() if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", folded)]
        if len(within) == 1:
            return (within[0],), "" if exact else f"no letter: taken from the words of option {within[0]}"
        return (), f"the answer names {len(within) or 'none'} of the options"
    known = tuple(dict.fromkeys(key for key in named if key in texts))
    strange = sorted(set(named) - set(texts))
    return known, f"no option has the letter {', '.join(strange)}" if strange else ""


def _in_json(response: str) -> Located | None:
    """The two texts of a JSON object, without the quotation marks; None where the response is no such object."""
    answer = JSON_ANSWER.search(response) if response.lstrip().startswith("{") else None
    if answer is None:
        return None
    thinking = JSON_THINKING.search(response, 0, answer.start())
    span = _trim(response, *answer.span(1))
    return Located(_trim(response, *thinking.span(1)) if thinking else None, span, "" if span else "the answer is empty")


def _unescaped(text: str) -> str:
    """A text as a JSON string writes it, read; as it is where it is none."""
    try:
        return str(json.loads(f'"{text}"', strict=False)) if "\\" in text else text
    except ValueError:
        return text


def _trim(text: str, start: int, end: int) -> Span | None:
    """[start, end) without white space at either end; None when nothing is left."""
    inner = text[start:end]
    left = start + len(inner) - len(inner.lstrip())
    right = end - (len(inner) - len(inner.rstrip()))
    return Span(left, right) if left < right else None
