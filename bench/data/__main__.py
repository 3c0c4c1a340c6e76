"""`make bench`: how fast an import is, on this machine, with a disk of real files and a real web server on loopback.

Everything is measured as whole processes, in turn, and the median counts. The images are made when they are first
needed, which takes as long as compressing them does, and are kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.contest import IMPORTER, LIMIT_BYTES, Arena, Contender
from bench.data.images import CACHE, GIB, MIB, Disk
from bench.data.rows import ROWS, Row, chosen, plain
from bench.data.server import WebServer, serving
from bench.data.startup import first_request_s
from bench.data.tables import Measured, comparison, promises, squeezing
from bench.data.targets import places
from devcluster.errors import DevclusterError
from devcluster.prerequisites import install_packages

# Program, and the package of Debian 12 and 13 that has it.
PROGRAMS = {
    "curl": "curl",
    "gzip": "gzip",
    "igzip": "isal",
    "mke2fs": "e2fsprogs",
    "nginx": "nginx-light",
    "pigz": "pigz",
    "qemu-img": "qemu-utils",
    "xz": "xz-utils",
    "zstd": "zstd",
}
DATA_SHARE = (13, 60)
"""1.3 GiB on a disk of 6 GiB."""
SMALL = Disk(64 * MIB, 20 * MIB)
SMALL_ROW = Row("image of 64 MiB, end to end", "qcow2", plain("qcow2"))
FIRST_BYTE_ASKED_S, SMALL_ASKED_S = 0.15, 0.5

Show = Callable[[], object]
"""Makes the table of what was measured."""


@dataclass(frozen=True)
class Options:
    rows: list[Row]
    runs: int
    disk: Disk
    large: Disk
    tables: Sequence[str]


def measure(options: Options) -> None:
    # Heavy, and a process that we start begins with our peak of memory: not before the measuring is over.
    shown: list[Show] = []
    try:
        with serving(CACHE) as server:
            for name in options.tables:
                shown.append(TABLES[name](options, server))
    finally:
        # Tables that took hours are not lost because of what ends the next.
        from rich.console import Console

        console = Console(width=190)
        for table in shown:
            console.print(table())


def time_table(options: Options, server: WebServer) -> Show:
    with places(CACHE / "target", options.disk.disk_bytes) as targets:
        arena = Arena(options.disk, server, targets, options.runs)
        results = measured(options.rows, lambda row: arena.compare(row, with_limit=not row.uncapped))
    return lambda: comparison(results, f"{describe(options.disk)}, medians of {options.runs}")


def start_table(options: Options, server: WebServer) -> Show:
    with places(CACHE / "target", SMALL.disk_bytes) as targets:
        small = Arena(SMALL, server, targets, options.runs).compare(SMALL_ROW, with_limit=False)
        first = [first_request_s([IMPORTER], str(targets[0].out)) for _ in range(options.runs)]
    figures = {"first byte asked": (statistics.median(first), FIRST_BYTE_ASKED_S)}
    for name in ("ours file", "ours block"):
        if name in small and (result := small[name].result):
            figures[f"{SMALL_ROW.title}, {name}"] = (result.seconds, SMALL_ASKED_S)
    return lambda: promises(figures)


def memory_table(options: Options, server: WebServer) -> Show:
    with places(CACHE / "target", options.large.disk_bytes) as targets:
        tight = Arena(options.large, server, targets, options.runs)
        squeezed = measured(options.rows, tight.squeeze)
    title = f"{describe(options.large)}, memory cgroup of {LIMIT_BYTES // MIB} MiB"
    return lambda: squeezing(squeezed, title)


TABLES: dict[str, Callable[[Options, WebServer], Show]] = {
    "time": time_table,
    "start": start_table,
    "memory": memory_table,
}


def measured(rows: Sequence[Row], contest: Callable[[Row], dict[str, Contender]]) -> Measured:
    results = {}
    for number, row in enumerate(rows, 1):
        print(f"[{number}/{len(rows)}] {row.title}", file=sys.stderr)
        results[row.title] = (row, contest(row))
        for contender in results[row.title][1].values():
            if contender.result:
                print(f"  {contender.name}: {contender.result.seconds:.2f} s", file=sys.stderr)
    return results


def describe(disk: Disk) -> str:
    return f"a disk of {disk.disk_bytes / GIB:.4g} GiB with {disk.data_bytes / GIB:.2g} GiB of files"


def options_of(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.data", description=__doc__)
    rows = f"names of images or begins of titles, comma between: {', '.join(row.title for row in ROWS)}"
    parser.add_argument("--rows", default="", help=rows)
    parser.add_argument("--runs", type=int, default=5, help="of everything (default %(default)s)")
    parser.add_argument("--size", type=float, default=6, metavar="GIB", help="of the disk (default %(default)s)")
    parser.add_argument(
        "--large", type=float, default=100, metavar="GIB", help="of the disk in the memory table (default %(default)s)"
    )
    parser.add_argument("--tables", default=",".join(TABLES), help="which to print (default %(default)s)")
    found = parser.parse_args(arguments)
    if unknown := set(tables := found.tables.split(",")) - TABLES.keys():
        parser.error(f"there is no table {', '.join(sorted(unknown))}: choose from {', '.join(TABLES)}")
    size = round(found.size * 1024) * MIB
    disk = Disk(size, size * DATA_SHARE[0] // DATA_SHARE[1])
    large = Disk(disk.size_bytes, disk.data_bytes, round(found.large * 1024) * MIB)
    return Options(chosen(found.rows), found.runs, disk, large, tables)


def main() -> int:
    options = options_of(None)
    # rapidgzip is a Python package, which a virtual environment has beside its interpreter.
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    # Asked to end, it shall take its devices and files away as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if packages := sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)}):
            install_packages(packages)
        measure(options)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
