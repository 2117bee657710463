"""Errors of files, options and runs; their base class is `model.error_base.HMLMError`."""

from __future__ import annotations

from ..model.error_base import HMLMError


class FormatError(HMLMError):
    """A file, or a part of one, cannot be read or written. The message names file and place."""


class MissingFileError(FormatError, FileNotFoundError):
    """There is no such file, nor a shipped network of that name."""


class OptionsError(HMLMError):
    """A run cannot start as requested; the message says why and what to do."""


class FormatWarning(UserWarning):
    """A file is odd but was read; the message says what was made of it."""
