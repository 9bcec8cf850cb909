"""Citations that can be checked: keys made from content, and a verdict for every quotation.

Two gates. `quoting` asks whether the quote stands in the passage it names, `bearing` whether the quote says what the claim says. Both
are plain rules over words: no text of a document, a quote or a claim is ever followed as an instruction. The package knows nothing of
the atlas; what a finding, a condition or a drug is comes in through the protocol `Meanings`.
"""

from agent.citations.checking import checked, verified
from agent.citations.keys import content_key
from agent.citations.meanings import Meanings
from agent.citations.quoting import holds
from agent.citations.words import normalise

__all__ = ["Meanings", "checked", "content_key", "holds", "normalise", "verified"]
