"""The programs that the tests compare with or serve from: real ones, so they have to be on the machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import binaries
from devcluster.prerequisites import install_packages

# Program, and the package of Debian 12 and 13 that has it.
PROGRAMS = {
    "bzip2": "bzip2",
    "gzip": "gzip",
    "mke2fs": "e2fsprogs",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    "xz": "xz-utils",
    "zstd": "zstd",
}
POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> list[str]:
    """Packages to install."""
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})


def ensure() -> None:
    """Install what is missing. Raises DevclusterError with the line to type where that is not possible."""
    if packages := missing():
        with _no_new_services():
            install_packages(packages)


def ensure_peers() -> None:
    """Build the servers that no package has. Raises DevclusterError where that is not possible."""
    for name in binaries.PEERS:
        binaries.peer(name)


@contextmanager
def _no_new_services() -> Iterator[None]:
    """Debian starts a server as soon as its package is there; the tests want only the program."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
