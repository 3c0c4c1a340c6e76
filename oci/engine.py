"""The programs that can build a Containerfile, and how each is told the same thing.

buildah needs no running engine and no registry: where the Debian base is not there yet, mmdebstrap makes it from
Debian's own packages. Docker and podman pull it as usual.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import CHECKOUT
from devcluster.prerequisites import install_packages
from devcluster.shell import run, succeeds

BASE = "debian:trixie-slim"
HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NEEDED = ("buildah", "mmdebstrap")


@dataclass(frozen=True)
class Engine:
    """How to build and how to save with one program."""

    build: tuple[str, ...]
    save: Callable[[str, Path], tuple[str, ...]]
    """(reference, archive) -> command"""
    forget: tuple[str, ...]


DOCKER = Engine(("docker", "build"), lambda ref, path: ("docker", "save", "-o", str(path), ref), ("docker", "rmi"))
PODMAN = Engine(
    ("podman", "build"),
    lambda ref, path: ("podman", "save", "--format", "oci-archive", "-o", str(path), ref),
    ("podman", "rmi"),
)
BUILDAH = Engine(
    ("buildah", "build", "--layers", "--isolation", "chroot", "--network", "host", "--pull=never"),
    lambda ref, path: ("buildah", "push", ref, f"oci-archive:{path}:{ref}"),
    ("buildah", "rmi"),
)


def choose() -> Engine:
    """buildah where it is or can be installed, since it needs nothing else; otherwise docker or podman."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if not missing or (os.geteuid() == 0 and shutil.which("apt-get")):
        install_packages(missing)
        return BUILDAH
    if succeeds(["docker", "info"]):
        return DOCKER
    if succeeds(["podman", "info"]):
        return PODMAN
    raise DevclusterError(f"to build images, start docker or podman, or as root: apt install {' '.join(missing)}")


def build(engine: Engine, containerfile: str, reference: str, archive: Path, told: Callable[[str], None]) -> None:
    """Build and leave the image at `archive`. Each line that the engine prints goes to `told` as it comes."""
    if engine is BUILDAH and not succeeds(["buildah", "inspect", "--type", "image", f"localhost/{BASE}"]):
        told(f"making {BASE} with mmdebstrap")
        _make_base()
    _follow([*engine.build, *_trust(), "-f", containerfile, "-t", reference, "."], told)
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    told("writing the archive")
    run(engine.save(reference, partial))
    partial.rename(archive)


def forget(engine: Engine, reference: str) -> None:
    """Free what the engine keeps of an image that has a successor; one that it never had is no error."""
    succeeds([*engine.forget, reference])


def _trust() -> list[str]:
    """What lets pip inside the build reach the package index as it does outside; none of it stays in the image."""
    found = []
    if HOST_CERTIFICATES.exists():
        found += ["--secret", f"id=ca,src={HOST_CERTIFICATES}", "--build-arg", "PIP_CERT=/run/secrets/ca"]
    if index := os.environ.get("PIP_INDEX_URL"):
        found += ["--build-arg", f"PIP_INDEX_URL={index}"]
    return found


def _make_base() -> None:
    with tempfile.TemporaryDirectory(prefix="cdi-base-") as directory:
        tree = Path(directory) / "base.tar"
        run(["mmdebstrap", "--quiet", "--variant=minbase", "trixie", tree])
        container = run(["buildah", "from", "scratch"]).strip()
        try:
            run(["buildah", "add", "--quiet", container, tree, "/"])
            run(["buildah", "commit", "--quiet", container, f"localhost/{BASE}"])
        finally:
            run(["buildah", "rm", container])


def _follow(argv: list[str], told: Callable[[str], None]) -> None:
    with subprocess.Popen(argv, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            told(lines[-1])
    if process.returncode != 0:
        end = "\n  ".join(lines[-15:])
        raise DevclusterError(f"{argv[0]} could not build the image:\n  {end}")
