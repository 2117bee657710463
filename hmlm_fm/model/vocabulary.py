"""The one token list of the package: genes, small molecules and processes, with their aliases.

A molecule is composed of tokens: HGNC symbols, ChEBI ids (`CHEBI:…`) and processes
(`process:…`). The list is versioned and the same for every checkpoint and corpus.

This file travels with checkpoints, so it imports nothing outside the standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from .error_base import HMLMError

SPECIAL_TOKENS = ("[PAD]", "[MASK]", "[UNK]")

# A shorter name may change its meaning with its case: Rho is no rhodopsin (RHO), cAMP no CAMP.
SHORTEST_CASELESS_NAME = 5


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, and names that mean one of them.

    Attributes:
        version: of the list; ids are only comparable within one version.
        tokens: `SPECIAL_TOKENS` first, then genes, small molecules and processes.
        aliases: other names, old symbols and spellings, each with its token.

    Raises:
        HMLMError: repeated tokens, other special tokens, or an alias for a token that is not
            in the list.
    """

    version: str
    tokens: tuple[str, ...]
    aliases: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise HMLMError(f"the vocabulary must start with {', '.join(SPECIAL_TOKENS)}")
        if len(self.index) != len(self.tokens):
            twice = next(t for t in self.tokens if self.tokens.count(t) > 1)
            raise HMLMError(f"the vocabulary has the token {twice!r} twice")
        for name, token in self.aliases.items():
            if token not in self.index:
                raise HMLMError(f"the alias {name!r} means {token!r}, which is not a token")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read `{"version": …, "tokens": […], "aliases": {…}}`.

        Raises:
            HMLMError: the file holds something else; the message names it.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(
                version=content["version"],
                tokens=tuple(content["tokens"]),
                aliases=dict(content["aliases"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HMLMError(f"{path}: it is not a vocabulary ({error})") from None

    @classmethod
    @cache
    def shipped(cls) -> Vocabulary:
        """The vocabulary of this version of the package."""
        return cls.load(Path(__file__).with_name("vocabulary.json"))

    @cached_property
    def index(self) -> dict[str, int]:
        """Id of every token."""
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def _caseless(self) -> dict[str, str]:
        """Names in lower case with their token; aliases give way to tokens."""
        special = set(SPECIAL_TOKENS)
        aliases = {name.lower(): token for name, token in self.aliases.items()}
        return aliases | {token.lower(): token for token in self.tokens if token not in special}

    def resolve(self, name: str) -> str | None:
        """The token that `name` means, or None.

        An exact token comes first, then an exact alias; failing both, case is ignored where the
        name is long enough for that to be safe.
        """
        name = name.strip()
        if name in self.index:
            return None if name in SPECIAL_TOKENS else name
        if name in self.aliases:
            return self.aliases[name]
        if len(name) >= SHORTEST_CASELESS_NAME:
            return self._caseless.get(name.lower())
        return None
