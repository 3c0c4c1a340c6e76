"""What an image says about the virtual machine it is for: environment variables that become labels of the claim. Pure.

INSTANCETYPE_KUBEVIRT_IO_DEFAULT_INSTANCETYPE=u1.medium means instancetype.kubevirt.io/default-instancetype=u1.medium
(spec 5.3). An image is not to be trusted, so what could not be a label is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MARK = "KUBEVIRT_IO_"
LIMIT_BYTES = 2048
"""For all of them together: they travel in a termination message, which holds twice that."""

_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def labels_in(environment: Iterable[str]) -> dict[str, str]:
    """From `NAME=value` of each variable."""
    found: dict[str, str] = {}
    room = LIMIT_BYTES
    for text in environment:
        variable, equals, value = text.partition("=")
        before, mark, after = variable.partition(MARK)
        if not (equals and mark):
            continue
        prefix = f"{before}{mark}".strip("_").replace("_", ".").lower()
        name = after.replace("_", "-").lower()
        room -= len(prefix) + len(name) + len(value)
        if room < 0:
            break
        if _PREFIX.fullmatch(prefix) and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            found[f"{prefix}/{name}"] = value
    return found
