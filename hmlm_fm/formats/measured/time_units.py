"""The units in which tables state times."""

from __future__ import annotations

from ...model.error_base import HMLMError, did_you_mean

HOURS_OF = {"seconds": 1 / 3600, "minutes": 1 / 60, "hours": 1.0}


def check_time_unit(unit: str) -> None:
    """
    Raises:
        HMLMError: it is neither empty nor one of `HOURS_OF`.
    """
    if unit and unit not in HOURS_OF:
        raise HMLMError(
            f"time_unit is {unit!r}; expected one of {', '.join(HOURS_OF)}"
            + did_you_mean(unit, HOURS_OF)
        )
