"""A compressed cluster, decoded."""

from __future__ import annotations

from collections.abc import Callable

from importer_image.extent import Buffer, Extent
from importer_image.format.mapped import corrupt
from importer_image.format.qcow2.header import Header
from importer_image.format.unpack import Decode

ZSTD_WINDOW_LOG_LIMIT = 23
"""A frame that asks for more than 8 MiB of history is made to do harm: no cluster has more than 2 MiB."""

Inflate = Callable[[bytes], Buffer]


def cluster_decoder(header: Header) -> Decode:
    inflate = INFLATE[header.compression](header.cluster_bytes)

    def decode(place: int, data: bytes) -> Extent:
        try:
            cluster = inflate(data)
        except Exception as error:  # IsalError, ZstdError, ValueError: no common base
            raise corrupt(f"the compressed cluster at {place} cannot be decoded ({error})") from error
        if len(cluster) != header.cluster_bytes:
            raise corrupt(f"the compressed cluster at {place} holds {len(cluster)} bytes")
        length = min(len(cluster), header.virtual_bytes - place)
        return Extent(place, length, memoryview(cluster)[:length])

    return decode


def _zlib(cluster_bytes: int) -> Inflate:
    from isal import isal_zlib

    from importer_image.codec.inflate import bare

    def leniently(data: bytes) -> bytes:
        """As QEMU does it: a cluster is good as soon as it is full, whether its data ends there or not."""
        return isal_zlib.decompressobj(wbits=-15).decompress(data, cluster_bytes)

    return bare(cluster_bytes, leniently)


def _zstd(cluster_bytes: int) -> Inflate:
    from importer_image.codec.zstd import limited_decompressor

    def inflate(data: bytes) -> bytes:
        """As QEMU does it: other than with zlib, the frame has to end with the cluster."""
        frame = limited_decompressor(ZSTD_WINDOW_LOG_LIMIT)
        cluster = frame.decompress(data, cluster_bytes + 1)
        if not frame.eof:
            raise ValueError("it does not end where the cluster is full")
        return cluster

    return inflate


INFLATE: dict[str, Callable[[int], Inflate]] = {"zlib": _zlib, "zstd": _zstd}
