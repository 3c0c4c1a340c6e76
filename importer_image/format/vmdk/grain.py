"""A compressed grain, decoded."""

from __future__ import annotations

from isal.igzip_lib import DECOMP_ZLIB, IgzipDecompressor

from importer_image.codec.inflate import in_zlib
from importer_image.extent import Buffer, Extent
from importer_image.format.mapped import corrupt
from importer_image.format.unpack import Decode
from importer_image.format.vmdk.header import MARKER, SECTOR_BYTES, Header


def grain_decoder(header: Header) -> Decode:
    grain_bytes, virtual_bytes = header.grain_bytes, header.virtual_bytes
    inflate = in_zlib(grain_bytes, lambda data: _doubtful(data, grain_bytes))

    def decode(place: int, data: bytes) -> Extent:
        try:
            grain = inflate(data)
        except Exception as error:  # IsalError is no public name
            raise corrupt(f"the compressed grain at {place} cannot be decoded ({error})") from error
        length = min(grain_bytes, virtual_bytes - place)
        if not length <= len(grain) <= grain_bytes:
            raise corrupt(f"the compressed grain at {place} does not hold {grain_bytes} bytes")
        return Extent(place, length, memoryview(grain)[:length])

    return decode


def _doubtful(data: bytes, grain_bytes: int) -> bytes:
    """For what is broken or too large: an error in words, or one byte too many. Empty when it does not end."""
    inflated = IgzipDecompressor(flag=DECOMP_ZLIB)
    grain = inflated.decompress(data, grain_bytes + 1)
    return grain if inflated.eof or len(grain) > grain_bytes else b""


def data_of(marked: Buffer, place: int, header: Header) -> memoryview:
    """The data of the grain that a table has at this place, from its marker, its data and whatever follows."""
    view = memoryview(marked)
    if len(view) < MARKER.size:
        raise corrupt(f"the compressed grain at {place} is cut off")
    sector, size = MARKER.unpack_from(view)
    if sector * SECTOR_BYTES != place:
        raise corrupt(f"the tables have a grain for {place} where one for {sector * SECTOR_BYTES} is")
    if not 0 < size <= min(header.packed_limit_bytes, len(view) - MARKER.size):
        raise corrupt(f"a grain for the sector {sector} with {size} bytes is absurd")
    return view[MARKER.size : MARKER.size + size]
