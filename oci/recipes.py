"""What each image is made of, and the name that follows from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devcluster.layout import CACHE, CHECKOUT

ARCHIVES = CACHE / "images"


@dataclass(frozen=True)
class Recipe:
    """One image. `inputs` are the files and directories of the checkout that its Containerfile copies."""

    name: str
    containerfile: str
    inputs: tuple[str, ...]
    shipped: bool = True
    """Whether users get it; the others serve the demo and the tests."""

    @cached_property
    def digest(self) -> str:
        """Eight hex digits of what the image is built from: the Containerfile and every input, by name and content.

        Taken once in a process, so that what is built is what is installed, whatever an editor does meanwhile.
        """
        found = hashlib.sha256()
        for path in self._files():
            found.update(f"{path.relative_to(CHECKOUT)}\0{path.stat().st_size}\0".encode())
            found.update(path.read_bytes())
        return found.hexdigest()[:8]

    @property
    def tag(self) -> str:
        return f"v{version()}-{self.digest}"

    @property
    def reference(self) -> str:
        """The name under which nodes know the image. Never `latest`, which Kubernetes would try to pull."""
        return f"localhost/{self.name}:{self.tag}"

    @property
    def archive(self) -> Path:
        return ARCHIVES / f"{self.name}-{self.tag}.tar"

    def _files(self) -> Iterator[Path]:
        for entry in sorted((self.containerfile, *self.inputs)):
            path = CHECKOUT / entry
            if path.is_file():
                yield path
            else:
                yield from sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


SHARED = (".dockerignore", "oci/rootfs.sh", "oci/compile.sh", "oci/entry.sh")
CONTRACT = ("importer_image/__init__.py", "importer_image/job.py")

OPERATOR = Recipe(
    "cdi-operator", "cdi_operator/Containerfile", (*SHARED, *CONTRACT, "requirements/operator.txt", "cdi_operator")
)
IMPORTER = Recipe(
    "cdi-importer",
    "importer_image/Containerfile",
    (*SHARED, "oci/nbdkit.sh", "requirements/importer.txt", "importer_image"),
)
TESTSERVER = Recipe("cdi-testserver", "demo/testserver/Containerfile", ("demo/testserver/nginx.conf",), shipped=False)

RECIPES = {recipe.name: recipe for recipe in (OPERATOR, IMPORTER, TESTSERVER)}


def version() -> str:
    """The project's version, as pyproject.toml has it."""
    found = re.search(r'^version = "([^"]+)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found, "pyproject.toml has no version"
    return found[1]
