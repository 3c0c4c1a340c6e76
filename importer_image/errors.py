"""Everything that can go wrong with an import, as three classes that carry the text which the user will read.

The text is written where the cause is known and gets its context ("Unable to transfer ...: ") from the stages it passes
on its way up; `pipeline.run` is the one place that catches it. The words are the reference's (spec 5, literal texts
1.3), because clients search for them. Any other exception is a bug of ours and is reported as one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from importer_image.job import ErrorKind


class ImportFailure(Exception):
    """Why an import ended. `hint` says what the user could do about it."""

    kind: ClassVar[ErrorKind]
    keeps_data: ClassVar[bool] = False
    """Whether the next attempt may go on with what this one has transferred."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class Transient(ImportFailure):
    """Trying again may help: the network, a busy server, a source that changed while it was read."""

    kind = "transient"
    keeps_data = True


class Permanent(ImportFailure):
    """Trying again will not help until somebody changes the source, the volume or the request."""

    kind = "permanent"


class Fatal(ImportFailure):
    """The reference gives up for good (spec 3.7): the data is not what the user asked for."""

    kind = "fatal"


@contextmanager
def told_as(context: str) -> Iterator[None]:
    """Put `context: ` before the text of a failure that passes."""
    try:
        yield
    except ImportFailure as failure:
        failure.text = f"{context}: {failure.text}"
        raise


TOO_FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = {
    errno.ENOSPC: "no space left on device",
    errno.EDQUOT: "disk quota exceeded",
    errno.EFBIG: "file too large",
    errno.EROFS: "read-only file system",
    errno.EIO: "input/output error",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.ENOENT: "no such file or directory",
    errno.EBUSY: "device or resource busy",
}
"""The texts of these in the reference's language, which clients search for; the rest read as Python has them."""


def target_failure(action: str, path: str, error: OSError) -> Permanent:
    """A system call on the target went wrong, e.g. `write /data/disk.img: no space left on device`."""
    number = error.errno or 0
    words = WORDS.get(number) or (error.strerror or str(error)).lower()
    hint = {
        errno.EBUSY: "The device is mounted or otherwise in use.",
        errno.EROFS: "The volume is mounted read-only.",
        errno.EACCES: f"The importer runs as uid {os.geteuid()} and may not write there.",
    }.get(number, "")
    if number in TOO_FULL:
        hint = "Ask for a larger volume."
    return Permanent(f"{action} {path}: {words}", hint)
