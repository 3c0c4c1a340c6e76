"""What the head of an HTTP response means for us. Pure: status and headers in, facts or a failure out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from importer_image.errors import ImportFailure, Permanent, Transient

GOOD = (200, 206)
REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)
LOCKED_OUT = (401, 403, 404, 410)
"""A redirect that has led to a signed URL answers so when it has expired."""
NOT_WITH_A_RANGE = (400, 405, 416, 501)
"""Some servers answer so only because they were asked for a range."""
LONGEST_RETRY_AFTER_S = 60.0

_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+)")
_UNSATISFIABLE = re.compile(r"bytes\s+\*/(\d+)")


class Headers(Protocol):
    """Header fields by name, in any case."""

    def get(self, name: str, default: str, /) -> str: ...


@dataclass(frozen=True)
class Facts:
    """What must stay the same as long as an image is read: two answers with different facts are two images."""

    size_bytes: int | None = None
    etag: str = ""
    last_modified: str = ""

    @property
    def recognisable(self) -> bool:
        """Whether another answer with the same facts is surely the same image."""
        return bool(self.etag or (self.last_modified and self.size_bytes is not None))

    @property
    def lasting(self) -> str:
        """All of it as a text, if that is enough to recognise the image after a restart; otherwise empty.

        What a weak ETag stands for may differ in its bytes.
        """
        etag = "" if self.etag.startswith("W/") else self.etag
        known = self.size_bytes is not None and (etag or self.last_modified)
        return f"{self.size_bytes} {etag} {self.last_modified}" if known else ""


@dataclass(frozen=True)
class Answer:
    facts: Facts
    first: int
    """Offset of the first byte of the body."""
    length: int | None
    """Of the body; None when only its end will tell."""
    ranged: bool


class Busy(Transient):
    """`retry_after_s`: when the server wants to be asked again; 0 when it does not say."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text, "The server is busy or broken; the import tries again by itself.")
        self.retry_after_s = retry_after_s


def retry_after_of(failure: Transient) -> float:
    return failure.retry_after_s if isinstance(failure, Busy) else 0.0


class Refused(Permanent):
    """The server understands and says no."""

    def __init__(self, text: str, hint: str, status: int) -> None:
        super().__init__(text, hint)
        self.status = status


class WrongRange(Permanent):
    """The server does not do ranges well enough to be asked for them."""


class Changed(Transient):
    keeps_data = False

    def __init__(self, before: Facts, now: Facts) -> None:
        super().__init__(
            f"the source changed while it was read ({_differences(before, now)})",
            "Wait until the file on the server is complete; the import starts again from its beginning.",
        )


def understood(status: int, reason: str, headers: Headers, asked: tuple[int, int] | None, now_s: float) -> Answer:
    """`asked` is the first and the last byte that was asked for, None when the request named no range.

    Raises the failure that the status means; redirects are not for here.
    """
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if status == HTTPStatus.PARTIAL_CONTENT and asked is not None:
        found = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        first, last, size = (int(text) for text in found.groups()) if found else (0, -1, 0)
        if first != asked[0] or not first <= last <= asked[1] or last >= size:
            raise WrongRange(
                f"the server answers a request for the bytes {asked[0]}-{asked[1]} with Content-Range "
                f"{headers.get('Content-Range', '')!r}"
            )
        return Answer(Facts(size, etag, modified), first, last - first + 1, ranged=True)
    if status == HTTPStatus.OK:
        length = headers.get("Content-Length", "")
        size_bytes = int(length) if length.isdecimal() else None
        return Answer(Facts(size_bytes, etag, modified), 0, size_bytes, ranged=False)
    empty = _UNSATISFIABLE.match(headers.get("Content-Range", ""))
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and empty and empty[1] == "0":
        return Answer(Facts(0, etag, modified), 0, 0, ranged=False)
    failure = failure_of(status, reason, headers, now_s)
    if asked is not None and status in NOT_WITH_A_RANGE:
        raise WrongRange(failure.text, failure.hint)
    raise failure


def same(before: Facts, now: Facts) -> None:
    """Raises Changed unless both answers come from one image. What one of them does not say is not compared."""
    for name in ("size_bytes", "etag", "last_modified"):
        old, new = getattr(before, name), getattr(now, name)
        if old not in (None, "") and new not in (None, "") and old != new:
            raise Changed(before, now)


def failure_of(status: int, reason: str, headers: Headers, now_s: float) -> ImportFailure:
    """The words of the reference, literal texts 1.3. `now_s` is the time since the epoch."""
    text = f"expected status code 200, got {status}. Status: {status} {reason or _standard_reason(status)}".rstrip()
    if status in BUSY:
        return Busy(text, retry_after_s(headers, now_s))
    hint = {
        401: "The server wants a user and a password: name a secret with accessKeyId and secretKey in secretRef.",
        403: "The server does not allow this user to read the file.",
        404: "There is no such file on the server: check the URL.",
        407: "The proxy wants a user and a password.",
    }.get(status, "")
    return Refused(text, hint, status)


def retry_after_s(headers: Headers, now_s: float) -> float:
    """What the server asks for, at least 0 and at most LONGEST_RETRY_AFTER_S; `now_s` is the time since the epoch."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return 0.0
    if text.isdecimal():
        wait = float(text)
    else:
        from email.utils import parsedate_to_datetime

        try:
            wait = parsedate_to_datetime(text).timestamp() - now_s
        except ValueError:
            return 0.0
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S)


def _standard_reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _differences(before: Facts, now: Facts) -> str:
    names = {"size_bytes": "size", "etag": "ETag", "last_modified": "Last-Modified"}
    return ", ".join(
        f"{shown} was {getattr(before, name)}, is {getattr(now, name)}"
        for name, shown in names.items()
        if getattr(before, name) != getattr(now, name)
    )
