"""One layer of a container image: whether it has a disk, and the disk as a source of its own.

A layer is hostile input. It is never unpacked: names are only compared, links are followed only to other members of the
same layer, and what is read is the content of one regular file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from importer_image.codec import MAGIC_BYTES, codec_of
from importer_image.errors import Permanent
from importer_image.log import log
from importer_image.source import About
from importer_image.source.registry.tape import RangeTape, StreamTape, cut_off
from importer_image.source.registry.tar import Member, NoTar, members

if TYPE_CHECKING:
    from importer_image.source import Range, Source

DIRECTORY = "disk"
WHITEOUT = ".wh."
"""Before the name of a file that an upper layer takes away."""
LINK_LIMIT = 8
TAIL_BYTES = 4 << 20
"""What is read behind the disk to come to the end of the layer, where its digest tells whether it was the right one.
Behind a disk that is alone in its layer come some KiB of zeros."""

Path = tuple[str, ...]


def disk_in(open_layer: Callable[[], Source]) -> DiskFile | None:
    """The first file below disk/, opened; None when the layer has none. Raises ImportFailure.

    `open_layer` is called once more for each link on the way: what a link leads to may lie before it.
    """
    wanted: Callable[[Member], bool] = is_disk
    link: Member | None = None
    for _ in range(LINK_LIMIT):
        layer = unpacked(open_layer())
        try:
            found = find(layer, wanted)
            if found and found.member.kind == "file":
                return found
        except BaseException:
            layer.close()
            raise
        layer.close()
        if found is None:
            break
        link = found.member
        wanted = named(leads_to(link))
    else:
        raise Permanent(f"{link.name if link else DIRECTORY}: too many levels of symbolic links")
    if link:
        raise Permanent(
            f"the disk {link.name} is a link to {link.link}, which is not a file in the same layer",
            "Put the disk itself below /disk/ of the image.",
        )
    return None


def unpacked(layer: Source) -> Source:
    """Whatever its media type says, as the reference does."""
    codec = codec_of(layer.peek(MAGIC_BYTES))
    if not codec:
        return layer
    from importer_image.source.decompressed import Decompressed

    return Decompressed(layer, codec)


def find(layer: Source, wanted: Callable[[Member], bool]) -> DiskFile | None:
    """The first member that is wanted, with the layer behind it."""
    tape = RangeTape(layer) if layer.ranged else StreamTape(layer.stream())
    try:
        member = next((each for each in members(tape) if wanted(each)), None)
    except NoTar as failure:
        log("skipping a layer that is no tar archive", layer=layer.name, error=failure.text)
        return None
    if member is None:
        return None
    check(member, layer)
    return RangedFile(layer, member) if isinstance(tape, RangeTape) else StreamedFile(layer, member, tape)


def is_disk(member: Member) -> bool:
    """As the reference chooses. Directories come before what is in them."""
    path = path_of(member.name)
    if member.kind == "directory" or len(path) < 2 or path[0] != DIRECTORY or path[-1].startswith(WHITEOUT):
        return False
    if ".." in path:
        raise tainted(member.name)
    if len(path) > 2:
        raise Permanent("image directory contains another directory", f"Put the disk right below /disk/: {member.name}")
    return True


def named(path: Path) -> Callable[[Member], bool]:
    return lambda member: member.kind != "directory" and path_of(member.name) == path


def check(member: Member, layer: Source) -> None:
    if member.kind == "special":
        raise Permanent(f"the disk {member.name} is not a file but a device, pipe or worse")
    if member.kind == "sparse":
        raise Permanent(
            f"the disk {member.name} is stored as a sparse file of tar",
            "Build the layer without the option --sparse of tar.",
        )
    if layer.ranged and layer.size_bytes is not None and member.offset + member.size_bytes > layer.size_bytes:
        raise cut_off(layer.size_bytes)


def path_of(name: str) -> Path:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def leads_to(link: Member) -> Path:
    """Seen from the root of the image, which is all there is. Raises Permanent for a link that leads out of it."""
    path = [] if link.kind == "link" or link.link.startswith("/") else list(path_of(link.name)[:-1])
    for part in path_of(link.link):
        if part != "..":
            path.append(part)
        elif path:
            path.pop()
        else:
            raise tainted(link.link)
    return tuple(path)


def tainted(name: str) -> Permanent:
    return Permanent(f"content filepath is tainted: {name}", "The image tries to reach files outside of itself.")


class RangedFile:
    """The bytes of a file in a layer that is not compressed."""

    ranged = True

    def __init__(self, layer: Source, member: Member) -> None:
        self.name = layer.name
        self.about = About()
        self.member = member
        self.size_bytes = member.size_bytes
        self._layer = layer
        self._others_bytes = (layer.size_bytes or 0) - member.size_bytes
        self._head = b""

    def peek(self, length: int) -> bytes:
        length = min(length, self.size_bytes)
        if length > len(self._head):
            self._head = b"".join(bytes(view) for _, view in self.read_ranges([(0, length)]))
        return self._head[:length]

    def stream(self) -> Iterator[memoryview]:
        """With the little that is before and behind the file, so that the digest of the layer is verified."""
        if self._others_bytes > TAIL_BYTES:
            for _, view in self.read_ranges([(0, self.size_bytes)]):
                yield view
            return
        tape = StreamTape(self._layer.stream())
        tape.skip(self.member.offset)
        yield from tape.pieces(self.size_bytes)
        unwind(tape)

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        start = self.member.offset
        for offset, view in self._layer.read_ranges([(start + offset, length) for offset, length in ranges]):
            yield offset - start, view

    def close(self) -> None:
        self._layer.close()


class StreamedFile:
    """The bytes of a file in a layer that has to be read from its beginning."""

    ranged = False

    def __init__(self, layer: Source, member: Member, tape: StreamTape) -> None:
        self.name = layer.name
        self.about = About()
        self.member = member
        self.size_bytes = member.size_bytes
        self._layer = layer
        self._tape = tape
        self._head = b""

    def peek(self, length: int) -> bytes:
        missing = min(length, self.size_bytes) - len(self._head)
        if missing > 0:
            self._head += self._tape.read(missing)
            if len(self._head) < min(length, self.size_bytes):
                raise cut_off(self._tape.position)
        return self._head[:length]

    def stream(self) -> Iterator[memoryview]:
        if self._head:
            yield memoryview(self._head)
        left = self.size_bytes - len(self._head)
        for view in self._tape.pieces(left):
            left -= len(view)
            yield view
        if left:
            raise cut_off(self._tape.position)
        unwind(self._tape)

    def read_ranges(self, ranges: Sequence[Range]) -> NoReturn:
        raise AssertionError("a stream has no ranges")

    def close(self) -> None:
        self._layer.close()


DiskFile = RangedFile | StreamedFile


def unwind(tape: StreamTape) -> None:
    """To the end of the layer, where its digest is compared, unless that is far away."""
    if sum(map(len, tape.pieces(TAIL_BYTES))) == TAIL_BYTES:
        log("the rest of the layer is not fetched, so its digest is not verified", after_bytes=tape.position)
