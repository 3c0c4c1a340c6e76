"""A vCenter on this machine with one machine that is migrated: a disk, two snapshots, and what changed between."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import binaries

USER, PASSWORD = "administrator@vsphere.local", "let me in: 100%"
THUMBPRINT = "A1:B2:C3"


@dataclass(frozen=True)
class VCenter:
    url: str
    certificate: str
    machine: str = ""
    file: str = ""
    instance_uuid: str = ""
    bios_uuid: str = ""
    snapshots: Sequence[str] = ()
    """From the oldest."""
    change_ids: Sequence[str] = ()

    @property
    def login(self) -> str:
        """What the library has to be told, in the order of the stand-in."""
        authority = self.url.split("/")[2]
        return "\t".join((authority, USER, PASSWORD, THUMBPRINT, f"moref={self.machine}", self.file))


@contextmanager
def vcenter(
    size_bytes: int, changed: Sequence[tuple[int, int]], *, datacenters: int = 2, host: str = "127.0.0.1"
) -> Iterator[VCenter]:
    """It answers the question what has changed for a third of the disk at a time. `host`: where it listens."""
    settings = {"user": USER, "password": PASSWORD, "size": size_bytes, "step": size_bytes // 3}
    settings |= {"changed": json.dumps(changed), "datacenters": datacenters, "host": host}
    arguments = [f"-{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(
        [binaries.peer("vcsim"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield VCenter(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait()


def secret(directory: Path, password: str = PASSWORD) -> Path:
    directory.mkdir()
    (directory / "accessKeyId").write_text(f"{USER}\n")
    (directory / "secretKey").write_text(password)
    return directory
