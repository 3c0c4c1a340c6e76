"""`cdi-importer SOURCE TARGET`: the same import on a laptop."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Sequence
from decimal import Decimal

from importer_image.display import shown, size
from importer_image.job import LIBRARY_DIR, Job, Kind, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress

EXIT_CODES = "Exit code: 0 done, 1 permanent error, 75 transient error (trying again may help), 2 usage."
DESCRIPTION = (
    "Fetch a disk image, convert it to raw in one pass and leave it in a file or on a block device. TARGET is "
    "overwritten. The format is told by content: raw, qcow2, vmdk, vdi, vhd, vhdx, each also compressed with gz, xz, "
    "zst or bz2."
)
SOURCES = (
    "http:// or https:// (user:password@ for basic auth); s3://BUCKET/KEY or s3+https://ENDPOINT/BUCKET/KEY; "
    "gs://BUCKET/OBJECT; docker://REGISTRY/IMAGE:TAG or oci-archive:/PATH for the disk in a container image; "
    "imageio+https://HOST/ovirt-engine/api for a disk of oVirt; vddk+https://HOST/sdk for a disk of VMware; or - for "
    "standard input"
)
JOURNAL = "where to write down how far an import onto a device is, to go on from there; for a file it is beside it"
SECRET = (
    "user and password (keys) of the source, in files accessKeyId and secretKey; for gs:// in credentials.json, for a "
    "registry also in .dockerconfigjson"
)
KIND_OF_SCHEME: dict[str, Kind] = {
    "http": "http",
    "https": "http",
    "s3": "s3",
    "gs": "gcs",
    "docker": "registry",
    "oci-archive": "registry",
}
KINDS: dict[str, Kind] = {kind: kind for kind in ("http", "s3", "gcs", "imageio", "vddk")}
SUFFIXES = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)},
}
QUANTITY = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([A-Za-z]*)")


def at_terminal(arguments: Sequence[str]) -> Report:
    options = parser().parse_args(arguments)
    job = job_of(options)
    progress = Progress()
    with shown(progress):
        report = run(job, progress)
    if options.json:
        with sys.stdout if options.json == "-" else open(options.json, "w", encoding="utf-8") as file:
            print(report.to_json(), file=file)
    print(summary(report, progress.snapshot().elapsed_s), file=sys.stderr)
    return report


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser("cdi-importer", description=DESCRIPTION, epilog=EXIT_CODES)
    found.add_argument("source", metavar="SOURCE", type=kind_and_url, help=SOURCES)
    found.add_argument("target", metavar="TARGET", help="a file, a block device, or for an archive a directory")
    found.add_argument("--size", type=byte_count, default=0, help="grow the disk to this size, e.g. 10Gi")
    found.add_argument("--content-type", choices=("kubevirt", "archive"), default="kubevirt", help="a disk or a tar")
    found.add_argument(
        "--checksum",
        action="append",
        default=[],
        metavar="ALGORITHM:HEX",
        help="of the bytes as downloaded; repeatable",
    )
    found.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="to send along; repeatable")
    found.add_argument(
        "--cacert", action="append", default=[], metavar="DIR", help="trust the certificates in these files; repeatable"
    )
    found.add_argument("--secret", default="", metavar="DIR", help=SECRET)
    found.add_argument("--disk-id", default="", metavar="ID", help="which disk of oVirt")
    found.add_argument("--uuid", default="", help="which machine of VMware")
    found.add_argument("--backing-file", default="", metavar="FILE", help="which disk of it: `[datastore] vm/vm.vmdk`")
    found.add_argument("--thumbprint", default="", metavar="SHA1", help="of the certificate of vCenter or ESXi")
    found.add_argument(
        "--vddk", default=LIBRARY_DIR, metavar="DIR", help=f"where VMware's library is (default: {LIBRARY_DIR})"
    )
    found.add_argument("--checkpoint", default="", metavar="ID", help="import this snapshot of the disk")
    found.add_argument(
        "--previous-checkpoint", default="", metavar="ID", help="TARGET holds this one: write only what changed since"
    )
    found.add_argument("--insecure", action="store_true", help="do not verify the certificate of the server")
    found.add_argument(
        "--architecture", default="", help="of the image in a registry, e.g. arm64 (default: this machine's)"
    )
    found.add_argument("--preallocate", action="store_true", help="allocate all storage of the disk")
    found.add_argument(
        "--connections", type=int, default=4, metavar="N", help="to begin with (default: 4); 1: never more"
    )
    found.add_argument("--journal", default="", metavar="DIR", help=JOURNAL)
    found.add_argument("--json", metavar="REPORT", help="write a report to this file; - for standard output")
    return found


def job_of(options: argparse.Namespace) -> Job:
    kind, url = options.source
    source = Source(
        kind=kind,
        url=url,
        secret_dir=options.secret,
        ca_dirs=tuple(options.cacert),
        insecure=options.insecure,
        headers=tuple(options.header),
        platform_architecture=options.architecture,
        checksum=" ".join(options.checksum),
        disk_id=options.disk_id,
        uuid=options.uuid,
        backing_file=options.backing_file,
        thumbprint=options.thumbprint,
        library_dir=options.vddk,
        current_checkpoint=options.checkpoint,
        previous_checkpoint=options.previous_checkpoint,
    )
    return Job(source, target_of(options), options.content_type, connections=options.connections)


def kind_and_url(text: str) -> tuple[Kind, str]:
    """The scheme says which kind of source it is, and where it does not, the kind stands before it with a plus."""
    if text == "-":
        return "stdin", ""
    scheme, colon, _ = text.partition(":")
    if colon and scheme.lower() in KIND_OF_SCHEME:
        return KIND_OF_SCHEME[scheme.lower()], text
    kind, plus, url = text.partition("+")
    if plus and kind in KINDS:
        return KINDS[kind], url
    raise argparse.ArgumentTypeError(f"{text!r} is no source; write it like https://host/path")


def target_of(options: argparse.Namespace) -> Target:
    path: str = options.target
    if options.content_type == "archive" and not is_block_device(path):
        return Target(path, "Filesystem", 0)
    if is_block_device(path):
        return Target(path, "Block", options.size, preallocate=options.preallocate, journal_dir=options.journal)
    directory, name = os.path.split(os.path.abspath(path))
    if os.path.isdir(path):
        directory, name = path, "disk.img"
    return Target(directory, "Filesystem", options.size, preallocate=options.preallocate, file=name)


def is_block_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def byte_count(text: str) -> int:
    """A Kubernetes quantity: 10Gi, 1.5G, 4096."""
    found = QUANTITY.fullmatch(text)
    if not found or found[2] not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 10Gi")
    count = Decimal(found[1]) * SUFFIXES[found[2]]
    if count <= 0 or count != int(count):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of bytes")
    return int(count)


def summary(report: Report, elapsed_s: float) -> str:
    if report.error:
        return "\n".join(filter(None, [f"cdi-importer: {report.message}", report.hint]))
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in report.stage_seconds.items())
    disk = f" image, disk of {size(report.virtual_size_bytes)}" if report.virtual_size_bytes else ""
    before = f" after {size(report.resumed_bytes)} of an earlier attempt" if report.resumed_bytes else ""
    return (
        f"{report.format}{disk}: fetched {size(report.source_bytes)}{before}, "
        f"wrote {size(report.written_bytes)} in {elapsed_s:.1f} s (seconds by stage: {stages})"
    )
