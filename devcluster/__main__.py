"""`python -m devcluster`: the command line of the dev cluster."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import devcluster
from devcluster import choose
from devcluster.embedded import Embedded
from devcluster.errors import DevclusterError
from devcluster.layout import PROGRAMS


def parser() -> argparse.ArgumentParser:
    """The commands and their help."""
    top = argparse.ArgumentParser(
        prog="python -m devcluster",
        description=devcluster.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "--embedded", action="store_true", help="the embedded cluster, even where KUBECONFIG or kind would be used"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the cluster, or heal it; the first time it is built, which takes minutes")
    commands.add_parser("down", help="stop the cluster and remove everything it left on this machine")
    commands.add_parser("status", help="show components, node and storage; exits with 1 unless all is ready")
    load = commands.add_parser("load", help="give the cluster the images of an OCI or docker archive")
    load.add_argument("image", type=Path, help="path of the archive (`buildah push NAME oci-archive:FILE:NAME`)")
    commands.add_parser("kubeconfig", help="print the path of the kubeconfig: export KUBECONFIG=$(... kubeconfig)")
    commands.add_parser("env", help='print shell lines that set KUBECONFIG and PATH (kubectl, helm): eval "$(... env)"')
    restart = commands.add_parser("restart", help="end one component of the embedded cluster and start it again")
    restart.add_argument("component", help="a name from `status`")
    restart.add_argument("--kill", action="store_true", help="end it with SIGKILL, as a crash would")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked."""
    args = parser().parse_args(argv)
    try:
        if args.command == "restart":
            Embedded().restart(args.component, signal.SIGKILL if args.kill else signal.SIGTERM)
            return 0
        return _ask(choose.cluster(embedded=args.embedded), args)
    except DevclusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("devcluster: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _ask(cluster: choose.Cluster, args: argparse.Namespace) -> int:
    match args.command:
        case "up":
            cluster.up()
        case "down":
            cluster.down()
        case "status":
            return 0 if cluster.status() else 1
        case "load":
            cluster.load(args.image)
        case "kubeconfig":
            print(cluster.kubeconfig())
        case "env":
            print(f"export KUBECONFIG={shlex.quote(cluster.kubeconfig())}")
            if PROGRAMS.exists() and str(PROGRAMS) not in os.environ["PATH"].split(":"):
                print(f"export PATH={PROGRAMS}:$PATH")
    return 0


if __name__ == "__main__":
    sys.exit(main())
