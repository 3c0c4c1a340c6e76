"""What clients compare is written down here once more: who changes a text or a name finds out before they do.

Texts are those of spec, literal-texts 1, names those of behaviour 3.1 and 3.2. What belongs to uploads, clones and
crons comes with them.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from cdi_operator.api import annotations as names

TESTS = Path(__file__).parents[1]
TEXTS: dict[str, list[str]] = json.loads((TESTS / "data" / "literal-texts.json").read_text())
"""By situation. `{}` stands for a name."""
NAMES: list[str] = json.loads((TESTS / "data" / "names.json").read_text())
"""Annotations, labels and finalizers."""


BETWEEN_LINES = re.compile(r'"\s*\n\s*[fr]*"')
"""Where a text that is longer than a line goes on."""


@functools.cache
def said_in_tests() -> str:
    return BETWEEN_LINES.sub("", "\n".join(path.read_text() for path in TESTS.rglob("*.py")))


def is_said(text: str) -> bool:
    """Whether a test has it, as whole words, with any name where it has one."""
    said, pieces = said_in_tests(), text.split("{}")
    end = r"(?!\w)" if pieces[-1][-1:].isalnum() else ""
    whole = re.compile(r"(?<!\w)" + r"\S+".join(map(re.escape, pieces)) + end)
    at = said.find(pieces[0])
    while at >= 0 and not whole.match(said, at):
        at = said.find(pieces[0], at + 1)
    return at >= 0


@pytest.mark.parametrize(("situation", "text"), [(each, text) for each, texts in TEXTS.items() for text in texts])
def test_a_test_has_the_text(situation: str, text: str) -> None:
    assert is_said(text)


def test_names_are_spelled_as_clients_know_them() -> None:
    ours = {value for value in vars(names).values() if isinstance(value, str)}
    assert [name for name in NAMES if name not in ours] == []
