"""What a request asks for, checked and put into our own words: sizes, capabilities, pages.

Pure: requests in, values or `CsiError` out. The codes are those of the CSI specification's error tables.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.csi.errors import aborted, invalid, out_of_range
from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.records import Mode, Record

MIB = 1 << 20
DEFAULT_SIZE_BYTES = 1 << 30

Access = csi.VolumeCapability.AccessMode
READ_ONLY_MODES = frozenset({Access.SINGLE_NODE_READER_ONLY, Access.MULTI_NODE_READER_ONLY})
# What a filesystem that one kernel mounts can offer; a block device may be written to by anybody who can reach it.
FILESYSTEM_MODES = READ_ONLY_MODES | {
    Access.SINGLE_NODE_WRITER,
    Access.SINGLE_NODE_SINGLE_WRITER,
    Access.SINGLE_NODE_MULTI_WRITER,
    Access.MULTI_NODE_SINGLE_WRITER,
}
BLOCK_MODES = FILESYSTEM_MODES | {Access.MULTI_NODE_MULTI_WRITER}


@dataclass(frozen=True)
class SizeRange:
    """The sizes a caller accepts, in bytes; 0 means that it does not mind."""

    required_bytes: int = 0
    limit_bytes: int = 0

    def __contains__(self, size_bytes: int) -> bool:
        return self.required_bytes <= size_bytes and (not self.limit_bytes or size_bytes <= self.limit_bytes)

    def choose(self, at_least: int) -> int:
        """The size to make, whole MiB as real storage rounds; `CsiError` if none holds `at_least` and is in range."""
        if self.required_bytes and self.required_bytes < at_least:
            raise out_of_range(f"{self.required_bytes} bytes cannot hold the {at_least} bytes of the source")
        wanted = self.required_bytes or at_least or min(DEFAULT_SIZE_BYTES, self.limit_bytes or DEFAULT_SIZE_BYTES)
        size_bytes = -(-wanted // MIB) * MIB
        if size_bytes not in self:
            raise out_of_range(f"sizes are whole MiB: {size_bytes} bytes are over the limit of {self.limit_bytes}")
        return size_bytes


def size_range(message: csi.CapacityRange) -> SizeRange:
    if message.required_bytes < 0 or message.limit_bytes < 0:
        raise invalid("capacity_range must not be negative")
    if message.limit_bytes and message.required_bytes > message.limit_bytes:
        raise invalid(f"required_bytes {message.required_bytes} is over limit_bytes {message.limit_bytes}")
    return SizeRange(message.required_bytes, message.limit_bytes)


def mode_of(capability: csi.VolumeCapability) -> Mode:
    """Whether a capability is about a block device or a filesystem; `CsiError` if we cannot offer it."""
    kind = capability.WhichOneof("access_type")
    if kind is None:
        raise invalid("a volume capability must say block or mount")
    if kind == "mount" and capability.mount.fs_type not in ("", "ext4"):
        raise invalid(f"filesystems here are ext4: fsType {capability.mount.fs_type} cannot be had")
    access = capability.access_mode.mode
    if access not in (BLOCK_MODES if kind == "block" else FILESYSTEM_MODES):
        raise invalid(f"access mode {Access.Mode.Name(access)} cannot be had with a {kind} volume")
    return "block" if kind == "block" else "filesystem"


def common_mode(capabilities: Iterable[csi.VolumeCapability]) -> Mode:
    """The one mode that all capabilities of a volume agree on."""
    modes = {mode_of(capability) for capability in capabilities}
    if not modes:
        raise invalid("volume_capabilities is missing")
    if len(modes) > 1:
        raise invalid("a volume is a block device or a filesystem, not both")
    return modes.pop()


def is_read_only(capability: csi.VolumeCapability) -> bool:
    return capability.access_mode.mode in READ_ONLY_MODES


def require(request: Any, *fields: str) -> None:
    """Check that the request has every one of `fields`."""
    for field in fields:
        value = getattr(request, field)
        missing = not request.HasField(field) if hasattr(value, "DESCRIPTOR") else not value
        if missing:
            raise invalid(f"{field} is missing")


def page(records: Sequence[Record], token: str, max_entries: int) -> tuple[Sequence[Record], str]:
    """At most `max_entries` (0: all) of `records`, which are in the order of their ids, and the token of the next page.

    A token is the last id that was given out, so what comes or goes between two pages neither repeats nor hides others.
    """
    if max_entries < 0:
        raise invalid("max_entries must not be negative")
    if token and not re.fullmatch(r"(vol|snap)-[0-9a-f]{32}", token):
        raise aborted(f"starting_token {token!r} is none that this driver gave out: start from the beginning")
    rest = [record for record in records if record.id > token]
    if max_entries and len(rest) > max_entries:
        return rest[:max_entries], rest[max_entries - 1].id
    return rest, ""
