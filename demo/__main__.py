"""`make run`: from a fresh clone to a Debian that boots from a volume which our operator filled.

Brings a cluster up, builds and installs what this checkout is, serves a real operating-system image from a web server
in the cluster, applies manifests/examples/import-http.yaml, watches it, compares every byte on the volume with the
source and boots the system from it. Running it again imports anew; `make down` ends the cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from rich.table import Table

from demo import disk, server, verify
from demo.follow import Import, follow
from demo.install import install
from demo.panel import showing
from demo.stages import Stages
from demo.stopwatch import STAGES
from demo.verify import Boot
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl
from devcluster.layout import CHECKOUT
from devcluster.prerequisites import install_packages

MANIFEST = "manifests/examples/import-http.yaml"
NAMESPACE = "default"
NAME = "debian"
IMAGE = "debian-13.qcow2"
PROGRAMS = {"qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86"}


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        tell(Stages())
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def tell(stages: Stages) -> None:
    """The whole story. Raises DevclusterError where it cannot go on."""
    install_packages([package for program, package in PROGRAMS.items() if not shutil.which(program)])
    kubectl = install(stages, [])
    with stages.stage("Debian image made") as told:
        image = disk.ensure(told)
    with stages.stage("image served by nginx") as told:
        images = server.start(kubectl)
        told(f"uploading {image.stat().st_size / 1e6:.0f} MB")
        images.put(IMAGE, image)
    inside = kubectl.within(NAMESPACE)
    done = import_image(stages, inside)
    mode, boot = judge(stages, inside, image)
    conclude(stages, done, mode, boot)


def import_image(stages: Stages, kubectl: Kubectl) -> Import:
    if kubectl.find("datavolume", NAME):
        with stages.stage("earlier import deleted"):
            verify.release(kubectl, NAME)
            kubectl.delete(f"datavolume/{NAME}")
            kubectl.wait(f"persistentvolumeclaim/{NAME}", "delete")
    stages.console.print(f"\n[bold]$ kubectl apply -f {MANIFEST}[/]")
    with showing(stages.console) as shown:
        done = asyncio.run(follow(kubectl, NAME, CHECKOUT / MANIFEST, shown))
    spent = done.run.spent()
    for stage in STAGES:
        stages.took_s[f"  import: {stage}"] = spent[stage]
    return done


def judge(stages: Stages, kubectl: Kubectl, image: Path) -> tuple[str, Boot]:
    claim = kubectl.find("persistentvolumeclaim", NAME)
    if claim is None:
        raise DevclusterError(f"DataVolume {NAME} is Succeeded, but there is no claim {NAME}")
    mode = claim["spec"]["volumeMode"]
    with verify.exported(kubectl, NAME, mode) as address:
        with stages.stage("every byte compared"):
            verify.compare(image, address)
        with stages.stage("booted from the volume") as told:
            boot = verify.boot(address, told)
    return mode, boot


def conclude(stages: Stages, done: Import, mode: str, boot: Boot) -> None:
    how = "with KVM" if boot.accelerator == "kvm" else "with an emulated processor"

    def tell(line: str | Table) -> None:
        stages.console.print(line, soft_wrap=True)

    tell(f"\n[bold]What happened[/]\n  DataVolume {NAME} is Succeeded after {done.run.total_s:.1f} s.")
    found = done.transfer
    read_mb, virtual_gib = found["sourceBytes"] / 1e6, found["virtualSizeBytes"] / 2**30
    moving_s = done.run.spent()["data moved"]
    tell(f"  {read_mb:.0f} MB of {found['format']} became a disk of {virtual_gib:.1f} GiB on a {mode} volume,")
    tell(f"  {found['writtenBytes'] / 1e6:.0f} MB of it data, in {moving_s:.1f} s.")
    tell("  Every byte on the volume is the image's.")
    tell(f"  The system on it, started {how}, said after {boot.took_s:.0f} s: {boot.last_line}\n")
    tell(stages.table())
    tell(
        '\n[bold]Try next[/]   (first: eval "$(.venv/bin/python -m devcluster env)")\n'
        f"  kubectl describe datavolume {NAME}\n"
        "  kubectl apply -f manifests/examples/import-http-block.yaml && kubectl get datavolumes --watch\n"
        "  make down\n"
    )


if __name__ == "__main__":
    sys.exit(main())
