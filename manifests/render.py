"""Renders the chart to plain YAML, for those who install with `kubectl apply` instead of helm.

`--check` fails when the committed file is not what the chart gives today.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from devcluster import binaries
from devcluster.binaries import KUBERNETES_VERSION
from devcluster.errors import DevclusterError
from devcluster.shell import run

CHART = Path(__file__).parent / "chart"
PLAIN = Path(__file__).parent / "cdi.yaml"
HEADER = """\
# Rendered from manifests/chart by `make manifests`; do not edit.
# Install: kubectl apply --server-side -f manifests/cdi.yaml
"""


def helm() -> str:
    """The helm of this machine, or the one that the dev cluster builds."""
    return shutil.which("helm") or str(binaries.ensure() / "bin" / "helm")


def render() -> str:
    """Every object of the chart with its default values, and the namespace."""
    settings = ["--namespace", "cdi", "--kube-version", KUBERNETES_VERSION, "--set", "namespace.create=true"]
    return HEADER + run([helm(), "template", "cdi", CHART, *settings])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m manifests.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")
    options = parser.parse_args()
    try:
        wanted = render()
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.check:
        if not PLAIN.exists() or PLAIN.read_text() != wanted:
            print(f"{PLAIN.name} is not what the chart gives: run `make manifests` and commit it", file=sys.stderr)
            return 1
        return 0
    PLAIN.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
