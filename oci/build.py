"""Makes an image, unless it is there: one build at a time, with a line that tells how far it is."""

from __future__ import annotations

import fcntl
import tarfile
import time

from rich.console import Console
from rich.markup import escape

from oci import engine
from oci.recipes import ARCHIVES, Recipe

CONSOLE = Console(stderr=True, highlight=False)


def ensure(recipe: Recipe, *, rebuild: bool = False) -> Recipe:
    """Build the image unless its archive is there. Raises DevclusterError with the end of the build's log."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with (ARCHIVES / "lock").open("w") as lock, CONSOLE.status(f"waiting for another build of {recipe.name}") as status:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if recipe.archive.exists() and not rebuild:
            return recipe
        status.update(f"building {recipe.name}")
        started = time.monotonic()

        def told(line: str) -> None:
            status.update(escape(f"building {recipe.name}: {line}"[: CONSOLE.width - 4]))

        chosen = engine.choose()
        engine.build(chosen, recipe.containerfile, recipe.reference, recipe.archive, told)
        for old in ARCHIVES.glob(f"{recipe.name}-v*.tar"):
            if old != recipe.archive:
                engine.forget(chosen, f"localhost/{recipe.name}:{old.stem.removeprefix(f'{recipe.name}-')}")
                old.unlink()
    CONSOLE.print(f"built {recipe.reference} in {time.monotonic() - started:.0f} s")
    return recipe


def sizes(recipe: Recipe) -> tuple[int, int]:
    """How large the image is as it travels, and unpacked on a node; both in bytes."""
    unpacked_bytes = 0
    with tarfile.open(recipe.archive) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.size > 10_000 else None
            if stream is None:
                continue
            with tarfile.open(fileobj=stream, mode="r:*") as layer:
                unpacked_bytes += sum(file.size for file in layer)
    return recipe.archive.stat().st_size, unpacked_bytes
