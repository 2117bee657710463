"""Which licences let measurements be trained on for a checkpoint that is passed on.

MIT, BSD, Apache, CC0, CC BY and the public domain do. Copyleft and share-alike licences (GPL,
CC BY-SA), non-commercial ones, terms of challenges, and nothing stated do not: such sets are for
testing only.
"""

from __future__ import annotations

import re

_PERMITTED = (
    r"creative commons (zero|0)",
    r"creative commons attribution",
    r"cc 0",
    r"cc0",
    r"cc by",
    r"apache( software)?",
    r"mit",
    r"(new |simplified |modified |original )?bsd( [234] clause)?",
    r"public domain( dedication)?",
)
_FREE_OF_MEANING = r"the|a|and|or|licen[cs]ed?|universal|international|unported|clause|version"
_VERSION = r"v?\d+(\.\d+)*"

_PHRASE = re.compile(rf"\b(?:{'|'.join(_PERMITTED)})\b")
_REST = re.compile(rf"\b(?:{_FREE_OF_MEANING}|{_VERSION})\b")


def may_be_trained_on(licence: str) -> bool:
    """Whether a licence, such as `CC BY 4.0` or `BSD-3-Clause`, is one of those that allow it.

    It must say that and nothing else: of `MIT; data for academic use` the second part forbids it,
    and what is not understood is not allowed.
    """
    words = re.sub(r"[\s,;:/()&+_\-]+", " ", licence.casefold()).strip()
    rest, count = _PHRASE.subn(" ", words)
    return count > 0 and not _REST.sub(" ", rest).strip(" .")
