"""Replies of live services, fetched with bioservices and kept on disk.

bioservices gives `None` or a number where a call fails, and half a file where a connection breaks.
Here every reply is checked before it counts: its status, its length, and what the caller expects
of a reply of that kind. What fails is requested again with growing pauses, or when the
service says; what came is kept with its address, date and hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from urllib3.util import Retry

from ..common.errors import FormatError
from ..common.files import write_text
from ..common.words import not_installed
from ..model.error_base import HMLMError

TRANSIENT = frozenset([408, 425, 429, 500, 502, 503, 504])
"""HTTP statuses that may pass: the same request can be made again."""

GIVE_UP_AFTER = 3
"""Replies in a row that never came before a service counts as down."""

Check = Callable[[str], object]


@dataclass(frozen=True)
class ClientSettings:
    """How replies are fetched.

    Attributes:
        cache: folder for replies; `None` for one in the user's cache folder.
        offline: answer from the cache alone.
        url: of a mirror; empty for the public service.
        timeout_seconds: that one reply may take, from the first byte sent to the last received.
        attempts: for one reply.
        pause_seconds: after a first failure; it doubles with each.
        longest_pause_seconds: whatever the number of failures, or the service, says.
    """

    cache: Path | None = None
    offline: bool = False
    url: str = ""
    timeout_seconds: float = 60.0
    attempts: int = 6
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 120.0


@dataclass(frozen=True)
class Reply:
    """A reply that was checked.

    Attributes:
        url, retrieved: where it is from, and when it came (ISO, UTC).
        sha256: of its text in UTF-8.
        text: what it says.
    """

    url: str
    retrieved: str
    sha256: str
    text: str


class ReplyError(Exception):
    """A reply cannot be had; the message says why."""


class Client:
    """Asks one service, politely.

    Args:
        service: the REST object of a bioservices class (`KEGG().services`).
        settings: see `ClientSettings`.
        requests_per_second: never exceeded.
    """

    def __init__(self, service: Any, settings: ClientSettings, requests_per_second: float) -> None:
        self.service, self.settings = service, settings
        self._interval = 1.0 / requests_per_second
        self._last_request = -self._interval
        self._failures_in_a_row = 0
        self._folder = settings.cache or _default_cache()
        if settings.url:
            service.url = settings.url.rstrip("/")
        service.TIMEOUT = settings.timeout_seconds
        for adapter in service.session.adapters.values():
            # Attempts are counted and paced here alone.
            adapter.max_retries = Retry(0, read=False)
        service.session.hooks["response"].append(self._read_in_time)

    def get(self, query: str, check: Check) -> Reply:
        """The reply to a query, from the cache or from the service.

        Args:
            query: the address below that of the service.
            check: raises `HMLMError` or `ValueError` for a text that is no such reply.

        Raises:
            ReplyError: it is not in the cache and `offline` is set, or all attempts failed, or
                the service says that there is no such thing, or it has stopped answering.
        """
        url = f"{self.service.url}/{query}"
        cached = self._cached(url, check)
        if cached is not None:
            return cached
        if self.settings.offline:
            raise ReplyError("it is not in the cache, and no request is made offline")
        if self._failures_in_a_row >= GIVE_UP_AFTER:
            raise ReplyError("it was not requested: the service has stopped answering")
        why = ""
        for attempt in range(self.settings.attempts):
            if attempt:
                time.sleep(self._pause(attempt))
            text, why = self._ask(query)
            if text is not None:
                try:
                    check(text)
                except (FormatError, ValueError) as error:
                    why = f"the reply is not what was requested ({error})"
                else:
                    self._failures_in_a_row = 0
                    return self._keep(url, text)
            status = self._status()
            if status is not None and status >= 400 and status not in TRANSIENT:
                self._failures_in_a_row = 0
                raise ReplyError(why)
        self._failures_in_a_row += 1
        raise ReplyError(f"{why}, {self.settings.attempts} times")

    # -- one request ------------------------------------------------------------------------

    def _ask(self, query: str) -> tuple[str | None, str]:
        """The text of one reply, or None and what went wrong."""
        wait = self._last_request + self._interval - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._last_request = time.monotonic()
        self.service.last_response = None
        headers = {"User-Agent": self.service.getUserAgent(), "Accept": "*/*"}
        self.service.http_get(query, frmt="txt", headers=headers)
        response = self.service.last_response
        if response is None:
            return None, "no reply, or one that broke off"
        if response.status_code != 200:
            return None, f"HTTP {response.status_code} {response.reason}".strip()
        stated = response.headers.get("Content-Length")
        encoded = response.headers.get("Content-Encoding")
        if stated and not encoded and int(stated) != len(response.content):
            return None, f"{len(response.content)} of {stated} bytes came"
        try:
            return response.content.decode("utf-8"), ""
        except UnicodeDecodeError:
            return None, "the reply is not text in UTF-8"

    def _read_in_time(self, response: Any, *_: object, **__: object) -> Any:
        """Read a reply's content before `requests` does, which would wait for ever on a trickle."""
        deadline = time.monotonic() + self.settings.timeout_seconds
        chunks = []
        while True:
            chunk = response.raw.read1(1 << 16, decode_content=True)
            if not chunk:
                break
            chunks.append(chunk)
            if time.monotonic() > deadline:
                response.close()
                raise TimeoutError(f"the reply took more than {self.settings.timeout_seconds} s")
        response._content = b"".join(chunks)
        response._content_consumed = True
        return response

    def _status(self) -> int | None:
        response = self.service.last_response
        return None if response is None else response.status_code

    def _pause(self, attempt: int) -> float:
        """Seconds before the next attempt: what the service asks for, else twice the last."""
        requested_pause = None
        if self.service.last_response is not None:
            requested_pause = _retry_after(
                self.service.last_response.headers.get("Retry-After", "")
            )
        # A little disorder keeps several builds from asking at the same moments.
        own = self.settings.pause_seconds * 2 ** (attempt - 1) * random.uniform(1.0, 1.3)
        return min(max(own, requested_pause or 0.0), self.settings.longest_pause_seconds)

    # -- the cache --------------------------------------------------------------------------

    def _file_of(self, url: str) -> Path:
        name = hashlib.sha256(url.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"

    def _cached(self, url: str, check: Check) -> Reply | None:
        """The kept reply, unless it is damaged or not what the caller expects."""
        try:
            reply = Reply(**json.loads(self._file_of(url).read_text(encoding="utf-8")))
            if reply.url != url or _sha256(reply.text) != reply.sha256:
                return None
            check(reply.text)
        except (OSError, TypeError, ValueError):
            return None
        return reply

    def _keep(self, url: str, text: str) -> Reply:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        reply = Reply(url, now, _sha256(text), text)
        path = self._file_of(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(reply), ensure_ascii=False))
        return reply


def open_service(name: str) -> Any:
    """The REST object of the bioservices class of that name.

    Raises:
        ReplyError: bioservices is not installed.
    """
    try:
        # What it logs about a failed call is reported by the client, with its place.
        logging.getLogger(f"bioservices.{name}").disabled = True
        # It greets a new user on standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            import bioservices

            return getattr(bioservices, name)(verbose=False).services
    except ImportError:
        raise ReplyError(not_installed("bioservices", "corpora")) from None


def refuse_web_pages(text: str) -> None:
    """Raise `HMLMError` for an empty reply or a web page where data is expected."""
    start = text.lstrip()[:200].lower()
    if not start:
        raise HMLMError("it is empty")
    if start.startswith("<!doctype html") or start.startswith("<html"):
        raise HMLMError("it is a web page")


def _retry_after(value: str) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date."""
    value = value.strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "hmlm_fm" / "replies"
