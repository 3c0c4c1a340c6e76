"""`python -m devcluster`: the command line of the dev cluster."""

import argparse
import sys

from devcluster import cluster
from devcluster.errors import DevclusterError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devcluster")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down")
    args = parser.parse_args()
    try:
        {"up": cluster.up, "down": cluster.down}[args.command]()
    except DevclusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
