"""One connection to an NBD server: the handshake, and which parts of its disk are allocated."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

from importer_image.errors import Transient
from importer_image.source.nbd import protocol
from importer_image.source.nbd.protocol import Chunk, Run

TIMEOUT_S = 600.0
"""A server that says nothing for so long is dead: nbdkit's retry filter alone may take minutes."""
LEAVE_S = 5.0
MAPPED_BYTES = 2 << 30
"""Asked for by one block status (spec 5.3)."""


class Connection:
    """Raises Transient when the server does not answer as it should, or not at all."""

    def __init__(self, path: str) -> None:
        """Connect to the Unix socket at `path`, to the default export."""
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(TIMEOUT_S)
        try:
            self._sock.connect(path)
            self.send(protocol.hello(self.receive(protocol.GREETING.size)))
            self._negotiate(protocol.STRUCTURED_REPLY, b"")
            context = self._negotiate(protocol.SET_META_CONTEXT, protocol.allocation_context())
            self._maps = any(kind == protocol.META_CONTEXT for kind, _ in context)
            self.size_bytes = self._opened()
        except OSError as error:
            self.close()
            raise broken(error) from error
        except BaseException:
            self.close()
            raise

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Which parts of this range are allocated. A server that does not know says: all."""
        end = offset + length
        while self._maps and offset < end:
            for run in self._some_runs(offset, min(MAPPED_BYTES, end - offset)):
                yield run
                offset += run.length
        if offset < end:
            yield Run(end - offset, zero=False)

    def send(self, message: bytes) -> None:
        try:
            self._sock.sendall(message)
        except OSError as error:
            raise broken(error) from error

    def receive(self, length: int) -> bytes:
        buffer = bytearray(length)
        self.receive_into(memoryview(buffer))
        return bytes(buffer)

    def receive_into(self, view: memoryview) -> None:
        got = 0
        try:
            while got < len(view):
                count = self._sock.recv_into(view[got:])
                if not count:
                    raise Transient("the NBD server has hung up")
                got += count
        except OSError as error:
            raise broken(error) from error

    def receive_chunk(self) -> Chunk:
        return protocol.chunk(self.receive(protocol.CHUNK.size))

    def abort(self) -> None:
        """Wake whoever is waiting for the server, from another thread."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """In order: nbdkit 1.32 dies when it has an answer for a client that is gone."""
        with suppress(OSError):
            self._sock.sendall(protocol.request(protocol.DISCONNECT, 0, 0, 0))
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(LEAVE_S)
            while self._sock.recv(1 << 20):
                pass
        self._sock.close()

    def _negotiate(self, option: int, payload: bytes) -> list[tuple[int, bytes]]:
        """Kind and payload of each reply before the acknowledgement."""
        self.send(protocol.option(option, payload))
        replies: list[tuple[int, bytes]] = []
        while True:
            reply = protocol.option_reply(self.receive(protocol.OPTION_REPLY.size))
            content = self.receive(reply.length)
            if reply.kind == protocol.ACK:
                return replies
            if reply.kind & protocol.REPLY_ERROR:
                said = content.decode("utf-8", "replace")[: protocol.TEXT_LIMIT]
                raise Transient(f"the NBD server refuses option {option}: {said or hex(reply.kind)}")
            replies.append((reply.kind, content))

    def _opened(self) -> int:
        replies = self._negotiate(protocol.GO, protocol.export_name())
        sizes = [protocol.size_of_export(content) for kind, content in replies if kind == protocol.INFO]
        for size in sizes:
            if size is not None:
                return size
        raise protocol.ProtocolError("it does not say how large the disk is")

    def _some_runs(self, offset: int, length: int) -> list[Run]:
        """At least one; they may end before the range does."""
        self.send(protocol.request(protocol.BLOCK_STATUS, 0, offset, length))
        found: list[Run] = []
        done = False
        while not done:
            chunk = self.receive_chunk()
            payload = self.receive(chunk.length)
            done = chunk.done
            if chunk.kind == protocol.STATUS:
                found += protocol.runs(payload, length)
            elif chunk.kind & protocol.CHUNK_ERROR:
                raise Transient(f"block status of {length} bytes at {offset}: {protocol.error_text(payload)}")
        if not found:
            raise protocol.ProtocolError("block status without a status")
        return found


def broken(error: OSError) -> Transient:
    said = "it is silent" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
    return Transient(f"the NBD server does not answer: {said}")
