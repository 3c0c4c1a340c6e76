"""The command line of the dev cluster's storage."""

import argparse
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

from devcluster.errors import DevclusterError


def main() -> None:
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except DevclusterError as error:
        raise SystemExit(f"error: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devcluster.csi", description="Storage of the dev cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    driver = commands.add_parser("driver", help="serve a CSI driver with volumes of this machine")
    driver.add_argument("--endpoint", required=True, type=_socket, help="where to listen: unix:///PATH")
    driver.add_argument("--node-id", required=True, metavar="NODE", help="name of this node in the cluster")
    driver.add_argument("--data", required=True, type=Path, metavar="DIR", help="directory that holds the volumes")
    driver.add_argument("--kubelet-root", required=True, type=Path, metavar="DIR", help="--root-dir of the kubelet")
    driver.add_argument(
        "--driver-name", default="rook-ceph.rbd.csi.ceph.com", metavar="NAME", help="default: %(default)s"
    )
    driver.add_argument("--no-snapshots", action="store_true", help="offer no snapshots")
    driver.add_argument("--no-clones", action="store_true", help="offer no clones")
    driver.add_argument(
        "--capacity", default="40Gi", type=_size_bytes, metavar="SIZE", help="size of the pool when it is made (40Gi)"
    )
    driver.set_defaults(run=_driver)

    local = commands.add_parser("local-provisioner", help="provision volumes without CSI")
    local.add_argument("--kubeconfig", required=True, type=Path, metavar="PATH", help="how to reach the cluster")
    local.add_argument("--data", required=True, type=Path, metavar="DIR", help="directory that holds the volumes")
    local.add_argument(
        "--provisioner", default="devcluster.local/hostpath", metavar="NAME", help="its name (%(default)s)"
    )
    local.set_defaults(run=_local_provisioner)

    clean = commands.add_parser("clean", help="unmount, detach and delete a data directory")
    clean.add_argument("--data", required=True, type=Path, metavar="DIR", help="--data of one of the commands above")
    clean.set_defaults(run=_clean)

    generate = commands.add_parser("generate", help="make the gRPC stubs again")
    generate.set_defaults(run=_generate)
    return parser


# Each command loads what it needs only when it runs: protobuf is no business of `clean`, nor is root of `generate`.


def _driver(options: argparse.Namespace) -> None:
    from devcluster.csi.driver import Options, serve
    from devcluster.csi.identity import Flavour

    serve(
        Options(
            socket=options.endpoint,
            data=options.data,
            kubelet_root=options.kubelet_root,
            capacity_bytes=options.capacity,
            flavour=Flavour(options.driver_name, options.node_id, not options.no_snapshots, not options.no_clones),
        )
    )


def _local_provisioner(options: argparse.Namespace) -> None:
    from devcluster.csi.local_provisioner import provision

    provision(options.kubeconfig, options.data, options.provisioner)


def _clean(options: argparse.Namespace) -> None:
    from devcluster.csi.clean import clean

    clean(options.data)


def _generate(options: argparse.Namespace) -> None:
    from devcluster.csi.generate import generate

    generate(Path(__file__).resolve().parents[2])


def _socket(endpoint: str) -> Path:
    if not endpoint.startswith("unix:///"):
        raise argparse.ArgumentTypeError(f"{endpoint} is no unix socket: write unix:///PATH")
    return Path(endpoint.removeprefix("unix://"))


def _size_bytes(text: str) -> int:
    if found := re.fullmatch(r"(\d+)([KMGT])i", text):
        return int(found[1]) << (10 * (1 + "KMGT".index(found[2])))
    raise argparse.ArgumentTypeError(f"{text} is no size: write for example 40Gi")


if __name__ == "__main__":
    main()
