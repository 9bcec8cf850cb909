"""Where a document applies: a small tree of jurisdictions, so that a clinic in England sees what England, the United Kingdom, Europe and
international bodies say, and not what another country does."""

from __future__ import annotations

from collections.abc import Collection, Iterable

ANYWHERE = ""
"""Documents of the user's own that state no jurisdiction apply anywhere."""
_WITHIN = {
    "England": "United Kingdom",
    "Scotland": "United Kingdom",
    "Wales": "United Kingdom",
    "Northern Ireland": "United Kingdom",
    "London, United Kingdom": "England",
    "Birmingham, United Kingdom": "England",
    "Cornwall, United Kingdom": "England",
    "Solihull, United Kingdom": "England",
    "Lothian, United Kingdom": "Scotland",
    "European Union": "Europe",
    "Western Australia": "Australia",
    "United Kingdom": "United Kingdom and Ireland",
    "Ireland": "United Kingdom and Ireland",
    "United Kingdom and Ireland": "Europe",
    "Nordic countries": "Europe",
}
_TOP = "International"


def above(jurisdiction: str) -> tuple[str, ...]:
    """The jurisdiction and all it lies within, nearest first. One the tree does not know lies within International alone.

    >>> above("Scotland")
    ('Scotland', 'United Kingdom', 'United Kingdom and Ireland', 'Europe', 'International')
    """
    chain = [jurisdiction]
    while chain[-1] != _TOP:
        chain.append(_WITHIN.get(chain[-1], _TOP))
    return tuple(chain)


def applies(jurisdiction: str, asked: Collection[str]) -> bool:
    """Whether a document of this jurisdiction is of use where one of `asked` is. Everything is where none is asked.

    >>> applies("United Kingdom", ["England"]), applies("Scotland", ["England"]), applies("Scotland", ["United Kingdom"])
    (True, False, True)
    """
    if not asked or jurisdiction == ANYWHERE:
        return True
    return any(jurisdiction in above(place) or (place in above(jurisdiction) and place != _TOP) for place in asked)


def known(jurisdictions: Iterable[str]) -> tuple[str, ...]:
    """All that may be asked for: what the tree knows, and the places of the documents at hand.

    >>> "Wales" in known(["India"]), "India" in known(["India"]), "India" in known([])
    (True, True, False)
    """
    return tuple(sorted({place for jurisdiction in (*jurisdictions, *_WITHIN) if jurisdiction for place in above(jurisdiction)}))
