"""What happened, one line to stderr each: an event and its fields. The time of a line is the log collector's."""

from __future__ import annotations

import sys

CLEAR_LINE = "\r\x1b[K"


def log(event: str, **fields: object) -> None:
    text = " ".join([event, *(f"{name}={_quoted(value)}" for name, value in fields.items())])
    over_bar = CLEAR_LINE if sys.stderr.isatty() else ""
    print(f"{over_bar}{text}", file=sys.stderr, flush=True)


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(character in text for character in ' "=\n') else text
