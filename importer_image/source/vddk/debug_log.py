"""What nbdkit and the VMware library say while they work, line by line. Pure.

Two things are wanted of it: which version of the library it is and which host gives the data, for the report (spec
3.7), and the last errors, for the user.
"""

from __future__ import annotations

import re
from collections import deque

_VERSION = re.compile(r"VMware VixDiskLib \((\d+(?:\.\d+)*)\)")
_OPENED = re.compile(r"DISKLIB-LINK\s*:\s*Opened '[^']*@([^:'@/]+)(?::\d+)?[^']*'")
_ERROR = re.compile(r"^nbdkit: (?:\S+: )?error: (.*)")
ERRORS_KEPT = 3
ERROR_LIMIT = 400
_USELESS = ("PhoneHome", "CEIP")


class DebugLog:
    def __init__(self) -> None:
        self.info: dict[str, str] = {}
        """Version and Host, as soon as they are known. The keys are the reference's."""
        self._errors: deque[str] = deque(maxlen=ERRORS_KEPT)

    def heard(self, line: str) -> str:
        """Take notice of a line. Returns the error that it is about, if any."""
        if found := _VERSION.search(line):
            self.info.setdefault("Version", found[1])
        if found := _OPENED.search(line):
            self.info["Host"] = found[1]
        found = _ERROR.match(line)
        if not found or any(word in line for word in _USELESS):
            return ""
        error = found[1].strip()[:ERROR_LIMIT]
        if error and error not in self._errors:
            self._errors.append(error)
        return error

    @property
    def errors(self) -> str:
        """The last ones."""
        return "; ".join(self._errors)
