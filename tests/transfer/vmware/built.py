"""What the tests of the source vddk build: nbdkit as the image has it, once, and a stand-in for VMware's library."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devcluster.layout import CACHE, CHECKOUT

SCRIPT = CHECKOUT / "oci" / "nbdkit.sh"
LIBRARY_SOURCE = Path(__file__).parent / "vixdisklib.c"
COPY_SOURCE = Path(__file__).parent / "copy.c"


def nbdkit() -> Path:
    """The directory with the program, which finds its plugins where it was built for."""
    home = CACHE / f"nbdkit-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]}"
    if not home.exists():
        print("building nbdkit with its vddk plugin", file=sys.stderr)
        partial = Path(tempfile.mkdtemp(prefix="nbdkit-partial-", dir=CACHE))
        try:
            subprocess.run([SCRIPT, partial, home], check=True)
            partial.rename(home)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return home / "bin"


def library(directory: Path) -> Path:
    """A directory that looks like VMware's."""
    (directory / "lib64").mkdir(parents=True)
    target = directory / "lib64" / "libvixDiskLib.so.8"
    flags = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread"]
    subprocess.run(["gcc", *flags, "-o", target, LIBRARY_SOURCE], check=True)
    return directory


def copier(path: Path) -> Path:
    """The program of an image with the library: static, since there is nothing else in it."""
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-static", "-o", path, COPY_SOURCE], check=True)
    return path
