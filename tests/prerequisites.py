"""The programs that the tests compare with or serve from: real ones, so they have to be on the machine."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import binaries
from devcluster.prerequisites import install_packages
from tests.transfer.vmware import built

# Program, and the package of Debian 12 and 13 that has it.
PROGRAMS = {
    "bzip2": "bzip2",
    "docker-registry": "docker-registry",
    "faketime": "faketime",
    "gcc": "gcc",
    "gzip": "gzip",
    "make": "make",
    "mke2fs": "e2fsprogs",
    "nbdkit": "nbdkit",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "pkg-config": "pkgconf",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    "qemu-nbd": "qemu-utils",
    "xz": "xz-utils",
    "zstd": "zstd",
}
HEADERS = Path(sysconfig.get_path("include")) / "Python.h"
"""One of the servers to test with is Python's and has to be compiled."""
POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> list[str]:
    """Packages to install."""
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    return sorted(packages if HEADERS.exists() else packages | {"python3-dev"})


def ensure() -> None:
    """Install what is missing. Raises DevclusterError with the line to type where that is not possible."""
    if packages := missing():
        with _no_new_services():
            install_packages(packages)


def ensure_peers() -> None:
    """Build the servers that no package has. Raises DevclusterError where that is not possible."""
    for name in binaries.PEERS:
        binaries.peer(name)
    built.nbdkit()


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
