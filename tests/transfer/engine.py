"""A stand-in for oVirt's engine, which needs a data centre: its REST API as far as downloads go, over a real daemon.

Disks are directories of volumes as on oVirt's storage: each snapshot is a file named by its id, and a later one is a
qcow2 image with the one before as its backing file.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

from importer_image.source.connection import basic
from tests.images import qemu_img
from tests.transfer.imageio import Daemon

USER, PASSWORD = "admin@internal", "let me in"
ENDING = {"finalize": "finalizing_success", "cancel": "finalizing_cleanup"}
FAULT = "<fault><detail>[{detail}]</detail><reason>Operation Failed</reason></fault>"


@dataclass
class Disk:
    volumes: Path
    base: str
    """Name of the first volume, which is raw."""
    active: str
    """Name of the volume that the machine writes to."""
    locked: int = 0
    """How many requests still find it so, by turns in its status and when a transfer is asked for."""


@dataclass
class Transfer:
    ticket: dict[str, Any]
    phase: str = "initializing"
    sent_bytes: int = 0
    """By the daemon's own count."""


@dataclass
class Engine:
    daemon: Daemon
    disks: dict[str, Disk] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """What was done with transfers: begin, finalize, cancel."""
    extended: int = 0
    """How often a ticket was."""
    ticket_s: int = 300
    """How long a ticket lasts that nobody uses or extends."""
    direct: bool = True
    """Whether the host can be reached; otherwise only the engine's proxy."""
    backend: str = "nbd"
    """For raw disks: nbd, or file as old hosts have it."""
    forgetful: bool = False
    """A transfer that is over is not shown any more, as by old engines."""
    port: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        return f"https://{self.daemon.host}:{self.port}/ovirt-engine/api"

    @property
    def last(self) -> Transfer:
        return list(self.transfers.values())[-1]

    def begin(self, body: bytes) -> tuple[int, str]:
        wanted = ElementTree.fromstring(body)
        disk, volume = self._volume(wanted)
        if disk is None or not volume.exists():
            return 404, ""
        if disk.locked:
            disk.locked -= 1
            return 409, FAULT.format(detail="Cannot transfer Virtual Disk: Disk is locked. Please try again later.")
        as_file = wanted.findtext("format") == "cow" or self.backend == "file"
        form = "raw" if as_file or volume.name == disk.base else "qcow2"
        url = f"file://{volume}" if as_file else self.daemon.export(volume, form)
        name, size = str(uuid4()), virtual_bytes(volume, form)
        ticket = {"uuid": name, "size": size, "url": url, "ops": ["read"], "timeout": self.ticket_s}
        self.asked.append("begin")
        self.daemon.control("PUT", name, ticket)
        self.transfers[name] = Transfer(ticket)
        return 201, self.shown(name)

    def _volume(self, wanted: ElementTree.Element) -> tuple[Disk | None, Path]:
        snapshot, disk = wanted.find("snapshot"), wanted.find("disk")
        if snapshot is not None:
            found = [each for each in self.disks.values() if (each.volumes / snapshot.get("id", "")).exists()]
            return (found[0], found[0].volumes / snapshot.get("id", "")) if found else (None, Path())
        assert disk is not None
        chosen = self.disks[disk.get("id", "")]
        return chosen, chosen.volumes / chosen.active

    def act(self, ticket: str, action: str) -> tuple[int, str]:
        transfer = self.transfers[ticket]
        if action == "extend":
            self.extended += 1
            self.daemon.control("PATCH", ticket, {"timeout": self.ticket_s})
            return 200, "<action><status>complete</status></action>"
        self.asked.append(action)
        transfer.sent_bytes = self.daemon.control("GET", ticket).get("transferred", 0)
        self.daemon.control("DELETE", ticket)
        transfer.phase = ENDING[action]
        return 200, "<action><status>complete</status></action>"

    def shown(self, ticket: str) -> str:
        """Its state; every look moves it on."""
        transfer = self.transfers[ticket]
        direct = self.daemon.url(ticket) if self.direct else "https://127.0.0.1:1/images/none"
        text = (
            f'<image_transfer id="{ticket}"><phase>{transfer.phase}</phase><transfer_url>{direct}</transfer_url>'
            f"<proxy_url>{self.daemon.url(ticket)}</proxy_url></image_transfer>"
        )
        steps = {"initializing": "transferring", "finalizing_success": "finished_success"}
        transfer.phase = steps.get(transfer.phase, transfer.phase.replace("finalizing_cleanup", "finished_cleanup"))
        return text

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        match method, path.removeprefix("/ovirt-engine/api/").split("/"):
            case "GET", ["disks", name] if name in self.disks:
                disk = self.disks[name]
                locked = disk.locked > 1
                disk.locked -= locked
                return 200, f'<disk id="{name}"><status>{"locked" if locked else "ok"}</status></disk>'
            case "POST", ["imagetransfers"]:
                return self.begin(body)
            case "GET", ["imagetransfers", ticket] if ticket in self.transfers:
                if self.forgetful and self.transfers[ticket].phase.startswith("finished"):
                    return 404, ""
                return 200, self.shown(ticket)
            case "POST", ["imagetransfers", ticket, action] if ticket in self.transfers:
                return self.act(ticket, action)
        return 404, ""


def virtual_bytes(volume: Path, form: str) -> int:
    return int(json.loads(qemu_img("info", "--output=json", "-f", form, volume))["virtual-size"])


@contextmanager
def engine(daemon: Daemon) -> Iterator[Engine]:
    state = Engine(daemon)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers.get("Authorization") != basic(f"{USER}:{PASSWORD}"):
                status, text = 401, "<html><body>Unauthorized</body></html>"
            else:
                with state.lock:
                    status, text = state.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((daemon.host, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(daemon.home / "tls.crt", daemon.home / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
