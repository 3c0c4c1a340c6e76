"""Images in an archive on this machine: oci-archive:/path, a tar of an OCI layout as buildah and skopeo write it.

The archive is not unpacked. One walk over its headers says where each blob lies; blobs are then parts of the file.
"""

from __future__ import annotations

import re

from importer_image.codec import MAGIC_BYTES, codec_of
from importer_image.errors import Permanent, told_as
from importer_image.source import OnBytes
from importer_image.source.local import LocalFile
from importer_image.source.registry import manifest
from importer_image.source.registry.digest import verify
from importer_image.source.registry.manifest import Descriptor, Index
from importer_image.source.registry.tape import RangeTape
from importer_image.source.registry.tar import members

SCHEME = "oci-archive:"
ENTRANCE = "index.json"
BLOB = re.compile(r"(?:\./)?blobs/(sha256|sha384|sha512)/([0-9a-f]+)")
BLOB_LIMIT = 100_000


class ArchiveStore:
    def __init__(self, url: str, on_bytes: OnBytes) -> None:
        """oci-archive:/path[:name]. Raises Permanent."""
        path, _, self._tag = url.strip().removeprefix(SCHEME).partition(":")
        self.name = url.strip()
        self._path = path
        self._on_bytes = on_bytes
        self._places: dict[str, tuple[int, int]] = {}
        """Offset and size of each blob by its digest, and of index.json."""
        self._look_around()

    def first(self) -> bytes:
        """What the entrance leads to: it is an index itself, of what the archive holds."""
        content = self._read(ENTRANCE, "the archive")
        if not self._tag:
            return content
        found = manifest.document(content)
        named = [each for each in found.entries if each.name == self._tag] if isinstance(found, Index) else []
        if not named:
            raise Permanent(f"Error retrieving image: no image {self._tag!r} in {self._path}")
        return self.document(named[0].digest)

    def document(self, digest: str) -> bytes:
        content = self._read(digest, "the manifest")
        verify(content, digest, "the manifest")
        return content

    def blob(self, descriptor: Descriptor) -> bytes:
        content = self._read(descriptor.digest, "the blob")
        verify(content, descriptor.digest, "the blob")
        return content

    def layer(self, descriptor: Descriptor) -> LocalFile:
        offset, size_bytes = self._place(descriptor.digest)
        return LocalFile(self._path, self._on_bytes, offset=offset, size_bytes=size_bytes)

    def _look_around(self) -> None:
        archive = LocalFile(self._path, lambda count: None)
        try:
            with told_as("failed to pull image"):
                if codec_of(archive.peek(MAGIC_BYTES)):
                    raise Permanent(
                        f"{self._path} is compressed", "Unpack the archive first; its layers may be compressed."
                    )
                for member in members(RangeTape(archive)):
                    blob = BLOB.fullmatch(member.name)
                    name = f"{blob[1]}:{blob[2]}" if blob else member.name.removeprefix("./")
                    if member.kind == "file" and (blob or name == ENTRANCE) and len(self._places) < BLOB_LIMIT:
                        self._places[name] = (member.offset, member.size_bytes)
        finally:
            archive.close()

    def _read(self, name: str, what: str) -> bytes:
        offset, size_bytes = self._place(name)
        if size_bytes > manifest.LIMIT_BYTES:
            raise Permanent(f"Error retrieving image: {what} has {size_bytes} bytes", "This is not a container image.")
        part = LocalFile(self._path, lambda count: None, offset=offset, size_bytes=size_bytes)
        try:
            return part.peek(size_bytes)
        finally:
            part.close()

    def _place(self, name: str) -> tuple[int, int]:
        if name not in self._places:
            raise Permanent(
                f"Error retrieving image: {name} is not in {self._path}",
                "This is not a complete OCI archive of an image.",
            )
        return self._places[name]
