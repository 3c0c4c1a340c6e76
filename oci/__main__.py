"""`python -m oci`: build the images that changed, say where they are and how large."""

from __future__ import annotations

import argparse
import fcntl
import sys
import tarfile
import time

from rich.console import Console

from devcluster.errors import DevclusterError
from oci import engine
from oci.recipes import ARCHIVES, RECIPES, Recipe

CONSOLE = Console(stderr=True)


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
            status.update(f"building {recipe.name}: {line[: CONSOLE.width - len(recipe.name) - 16]}")

        chosen = engine.choose()
        engine.build(chosen, recipe.containerfile, recipe.reference, recipe.archive, told)
        for old in ARCHIVES.glob(f"{recipe.name}-v*.tar"):
            if old != recipe.archive:
                engine.forget(chosen, f"localhost/{recipe.name}:{old.stem.removeprefix(f'{recipe.name}-')}")
                old.unlink()
    CONSOLE.print(f"built {recipe.reference} in {time.monotonic() - started:.0f} s", highlight=False)
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


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m oci", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="IMAGE", help=f"which images (default all): {', '.join(RECIPES)}")
    parser.add_argument("--rebuild", action="store_true", help="build even what did not change (newer Debian packages)")
    parser.add_argument("--references", action="store_true", help="only print the names, one a line; build nothing")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(RECIPES)
    if unknown:
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    recipes = [RECIPES[name] for name in options.names or RECIPES]
    if options.references:
        print(*(recipe.reference for recipe in recipes), sep="\n")
        return 0
    try:
        for recipe in recipes:
            compressed_bytes, unpacked_bytes = sizes(ensure(recipe, rebuild=options.rebuild))
            print(f"{recipe.reference}  {compressed_bytes / 1e6:.0f} MB, unpacked {unpacked_bytes / 1e6:.0f} MB")
            print(f"  {recipe.archive}")
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
