"""Where an import writes down how far it is: a small file, beside the data or elsewhere.

It lies where users can write, so what is read from it may be anything; `attempt` looks at it closely.

The file itself is not synced: what it speaks of is. A process that is killed leaves what it has written, perhaps
without the end of the last line. After a crash of the machine there may be less of it, or zeros, which say nothing.
That saves half of all waiting for the disk.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from importer_image.target import kernel

LONGEST_BYTES = 4 << 20
NEW = ".new"


class Journal:
    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self.path = os.path.join(directory, name)
        self._fd = -1

    def read(self) -> str:
        """What was written last; empty when there is none, or none of ours. Raises no error."""
        try:
            # Not a link to somewhere, and not a pipe that nobody writes to.
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    return ""
                text = file.read(LONGEST_BYTES + 1)
            return text.decode("ascii") if len(text) <= LONGEST_BYTES else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def replace(self, text: str) -> None:
        """Put it in the place of the former. Raises OSError."""
        new = self.path + NEW
        with suppress(FileNotFoundError):
            os.unlink(new)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self.close()
        self._fd = fd
        self.append(text)
        os.rename(new, self.path)

    def append(self, text: str) -> None:
        """Behind what was put there. Cheap; what is renamed, filesystems write at once. Raises OSError.

        Into the very file that is ours: at its path there may be a link to any other by now.
        """
        left = memoryview(text.encode("ascii"))
        while left:
            left = left[os.write(self._fd, left) :]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def remove(self) -> None:
        """Return when it surely does not come back. Raises OSError."""
        self.close()
        found = False
        for path in (self.path, self.path + NEW):
            with suppress(FileNotFoundError):
                os.unlink(path)
                found = True
        if found:
            kernel.sync_directory(self._directory)
