"""What an administrator asks of all workers, in annotations of CDIConfig: labels for quotas and policies, annotations
for meshes. And what of these annotations is not valid: it is left out, since with it no pod could be made, and told of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from cdi_operator.api import annotations as names

NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = re.compile(rf"({NAME})?", re.ASCII)
_KEY = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{NAME}", re.ASCII)
NUMBERS = (names.MAX_TRANSFERS, names.MAX_TRANSFERS_PER_NODE)


def worker_labels(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: str(text) for key, text in _given(settings, names.WORKER_LABELS).items() if _is_label(key, text)}


def worker_annotations(settings: Mapping[str, str]) -> dict[str, str]:
    given = _given(settings, names.WORKER_ANNOTATIONS)
    return {key: str(text) for key, text in given.items() if _is_annotation(key, text)}


def complaint(settings: Mapping[str, str]) -> str:
    """What is wrong with the annotations of CDIConfig; empty when nothing is."""
    return "; ".join(_complaints(settings))


def _complaints(settings: Mapping[str, str]) -> Iterator[str]:
    for name in NUMBERS:
        number = settings.get(name, "0")
        if not (number.isdecimal() and number.isascii()):
            yield f"{name}: {number!r} is no number"
    for name, valid in ((names.WORKER_LABELS, _is_label), (names.WORKER_ANNOTATIONS, _is_annotation)):
        if name in settings and not _is_object(settings[name]):
            yield f"{name}: not a JSON object"
        for key, text in _given(settings, name).items():
            if not valid(key, text):
                yield f"{name}: {key!r}: {text!r} is not valid"


def _given(settings: Mapping[str, str], name: str) -> Mapping[str, object]:
    text = settings.get(name, "")
    found: Mapping[str, object] = json.loads(text) if _is_object(text) else {}
    return found


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_label(key: str, text: object) -> bool:
    return bool(_KEY.fullmatch(key)) and isinstance(text, str) and bool(_VALUE.fullmatch(text))


def _is_annotation(key: str, text: object) -> bool:
    return bool(_KEY.fullmatch(key)) and isinstance(text, str)
