"""The network of a name among several."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..common.errors import FormatError
from ..common.words import counted
from ..model.error_base import did_you_mean
from ..model.network import SignalingNetwork

MOST_NAMED = 4


def one_network(
    networks: Sequence[SignalingNetwork], pathway: str | None, path: str | os.PathLike[str]
) -> SignalingNetwork:
    """The network of a name, or where none is named the only one there is.

    Args:
        path: what the networks were read from.

    Raises:
        FormatError: none has that name, or none is named of several.
    """
    if pathway is None and len(networks) == 1:
        return networks[0]
    if pathway is None:
        raise FormatError(
            f"it holds {counted_by_name(networks)}; expected the name of one of them as pathway",
            path=path,
        )
    for network in networks:
        if network.name == pathway:
            return network
    hint = did_you_mean(pathway, [network.name for network in networks])
    raise FormatError(
        f"there is no network {pathway!r} among its {counted_by_name(networks)}{hint}", path=path
    )


def counted_by_name(networks: Sequence[SignalingNetwork]) -> str:
    """How many there are, with the names of the first."""
    names = ", ".join(network.name for network in networks[:MOST_NAMED])
    more = " ..." if len(networks) > MOST_NAMED else ""
    return f"{counted(len(networks), 'network')} ({names}{more})"
