"""One row at a time: everybody who competes in it in turn, so that a slow minute of the machine is everybody's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.images import MIB, Disk
from bench.data.measure import Failed, Sample, measured, median
from bench.data.rows import FETCH, WRITE, Row
from bench.data.server import WebServer
from bench.data.targets import Place

IMPORTER = str(Path(sys.executable).with_name("cdi-importer"))
LIMIT_BYTES = 128 * MIB
"""Of the memory cgroup, page cache included."""


@dataclass
class Contender:
    """One command of a row. `go` runs it once."""

    name: str
    go: Callable[[], Sample]
    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    def run(self) -> None:
        if self.failure:
            return
        try:
            self.samples.append(self.go())
        except Failed as failure:
            self.failure = str(failure)
            print(f"  {self.name}: {failure}", file=sys.stderr)

    @property
    def result(self) -> Sample | None:
        return None if self.failure or not self.samples else median(self.samples)


@dataclass(frozen=True)
class Arena:
    disk: Disk
    server: WebServer
    places: Sequence[Place]
    runs: int

    def compare(self, row: Row, with_limit: bool) -> dict[str, Contender]:
        """Ours against the plain tools on each target, and the parts of the limit."""
        contenders = [
            contender
            for place in self.places
            for contender in (self.ours(row, place), self.shell(f"plain {place.kind}", row.plain, row, place))
        ]
        if with_limit:
            anywhere = self.places[0]
            writes = [(f"write {place.kind}", WRITE[place.kind], place) for place in self.places]
            for part, commands, place in (("fetch", FETCH, anywhere), ("decode", row.decode, anywhere), *writes):
                contenders += [
                    self.shell(f"{part}: {command.split()[0]}", command, row, place)
                    for command in commands
                    if shutil.which(command.split()[0])
                ]
        return self._in_turn(row, contenders)

    def squeeze(self, row: Row) -> dict[str, Contender]:
        """Ours with all the memory of the machine, and with LIMIT_BYTES."""
        return self._in_turn(row, [self.ours(row, place, limit) for place in self.places for limit in (0, LIMIT_BYTES)])

    def _in_turn(self, row: Row, contenders: Sequence[Contender]) -> dict[str, Contender]:
        warm(self.disk.image(row.image))
        for _ in range(self.runs):
            for contender in contenders:
                contender.run()
        return {contender.name: contender for contender in contenders}

    def ours(self, row: Row, place: Place, limit_bytes: int = 0) -> Contender:
        command = [IMPORTER, self.server.url(self.disk.image(row.image), row.way), str(place.out)]
        name = f"ours {place.kind}{' squeezed' if limit_bytes else ''}"
        return Contender(name, lambda: self._run(command, place, limit_bytes))

    def shell(self, name: str, template: str, row: Row, place: Place) -> Contender:
        image = self.disk.image(row.image)
        command = template.format(
            url=self.server.url(image, row.way), image=image, raw=self.disk.image("raw"), out=place.out,
            scratch=place.scratch, size=self.disk.disk_bytes,
        )  # fmt: skip
        return Contender(name, lambda: self._run(["sh", "-ec", command], place))

    def _run(self, command: Sequence[str], place: Place, limit_bytes: int = 0) -> Sample:
        place.renew()
        before = self.server.sent_bytes()
        sample = measured(command, limit_bytes)
        fetched = self.server.sent_bytes() - before
        return Sample(sample.seconds, sample.cpu_s, sample.peak_bytes, sample.written_bytes, fetched)


def warm(path: Path) -> None:
    """The server has the image in its memory: its disk is not what is measured."""
    with path.open("rb", buffering=0) as file:
        while os.read(file.fileno(), 8 * MIB):
            pass
