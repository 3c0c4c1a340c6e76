"""What a console says, without what only a terminal understands."""

from __future__ import annotations

import pytest

from demo.verify import readable


@pytest.mark.parametrize(
    ("console", "text"),
    [
        (b"imported login: ", "imported login: "),
        (b"one\r\n\r\ntwo\r\n", "one\ntwo\n"),
        (b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS", "SeaBIOS"),
        (b"[\x1b[0;32m  OK  \x1b[0m] Reached target", "[  OK  ] Reached target"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_readable(console: bytes, text: str) -> None:
    assert readable(console) == text
