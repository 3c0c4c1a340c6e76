"""`python -m oci`: build the images that changed, say where they are and how large."""

from __future__ import annotations

import argparse
import sys

from devcluster.errors import DevclusterError
from oci.build import ensure, sizes
from oci.recipes import RECIPES


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
