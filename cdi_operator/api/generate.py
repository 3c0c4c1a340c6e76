"""Writes crds/ from the models, or checks that it is up to date: `python -m cdi_operator.api.generate [--check]`."""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cdi_operator.api.crd import KINDS, crd

HEADER = "# Generated from cdi_operator/api by `make generate`. Do not edit.\n"
DEFAULT_DIRECTORY = Path(__file__).parents[2] / "crds"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m cdi_operator.api.generate", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where the CRDs are (default: crds/)")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail when the directory is not up to date"
    )
    options = parser.parse_args()
    wanted, there = manifests(), read(options.directory)
    differing = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if options.check:
        for name in differing:
            print(f"{options.directory / name} is not what the models say: run `make generate`", file=sys.stderr)
        return 1 if differing else 0
    write(options.directory, wanted, differing)
    return 0


@cache
def manifests() -> dict[str, str]:
    """The text of every file, by name. Made once: the models do not change while a process lives."""
    return {f"{kind.definition.group}_{kind.definition.plural}.yaml": to_yaml(crd(kind)) for kind in KINDS}


def to_yaml(manifest: dict[str, Any]) -> str:
    return HEADER + yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def read(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(directory.glob("*.yaml"))}


def write(directory: Path, wanted: dict[str, str], names: list[str]) -> None:
    """Writes the named files, and removes those of them that are not wanted."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in wanted:
            (directory / name).write_text(wanted[name])
            print(f"wrote {directory / name}")
        else:
            (directory / name).unlink()
            print(f"removed {directory / name}")


class _Dumper(yaml.SafeDumper):
    """Writes shared values out in full: an anchor in a CRD surprises readers and some tools."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


if __name__ == "__main__":
    sys.exit(main())
