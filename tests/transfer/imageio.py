"""The real imageio daemon of oVirt on this machine, serving disks over TLS, with qemu-nbd behind as on oVirt's hosts.

It is compiled on first use (10 s) and kept, for each Python, beside what else the project builds for its tests.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from devcluster.layout import CACHE
from tests.ports import free_port
from tests.transfer.webserver import make_certificate, wait_for

PINNED = Path(__file__).with_name("imageio.txt")
CONFIGURATION = """
[daemon]
run_dir = {home}
drop_privileges = false
systemd_enable = false
poll_interval = 0.05
[tls]
key_file = {home}/tls.key
cert_file = {home}/tls.crt
[remote]
host = {host}
port = {port}
[local]
enable = false
[control]
socket = {home}/control
remove_timeout = 5
[handlers]
keys = stderr
[logger_root]
handlers = stderr
"""


def installed() -> Path:
    """A directory with the daemon's packages."""
    version = PINNED.read_text().split("==")[1].split()[0]
    home = CACHE / f"ovirt-imageio-{version}-{sys.implementation.cache_tag}"
    if not home.exists():
        partial = home.with_suffix(".partial")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        subprocess.run(
            [*pip, "--no-deps", "--require-hashes", "--target", partial, "--requirement", PINNED], check=True
        )
        partial.rename(home)
    return home


@dataclass
class Daemon:
    home: Path
    packages: Path
    host: str
    port: int
    process: subprocess.Popen[bytes]
    exports: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def url(self, ticket: str) -> str:
        return f"https://{self.host}:{self.port}/images/{ticket}"

    @property
    def certificates(self) -> Path:
        return self.home / "trust"

    def control(self, method: str, ticket: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request to its control socket, as the host's agent makes them."""
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.home / "control"))
        try:
            connection.request(method, f"/tickets/{ticket}", json.dumps(body))
            response = connection.getresponse()
            text = response.read()
            assert response.status < 300 or response.status == 404, text
            return json.loads(text) if text and response.status < 300 else {}
        finally:
            connection.close()

    def export(self, image: Path, form: str) -> str:
        """The disk that an image holds, from now on served by a qemu-nbd: its URL for a ticket."""
        path = self.home / f"nbd{len(self.exports)}"
        command = ["qemu-nbd", "--read-only", "--persistent", "--shared=8", f"--format={form}", f"--socket={path}"]
        process = subprocess.Popen([*command, image])
        self.exports.append(process)
        while not accepts(path):
            assert process.poll() is None, f"qemu-nbd ended with {process.returncode}"
        return f"nbd:unix:{path}"

    def restart(self, ticket: dict[str, Any] | None = None) -> None:
        """Killed, and started anew as it would be by systemd. It knows no tickets but that one."""
        self.process.kill()
        self.process.wait()
        self.process = start(self.home, self.packages, self.host, self.port, ticket)

    def stop(self) -> None:
        for process in [self.process, *self.exports]:
            process.kill()
            process.wait()


@contextmanager
def imageio(home: Path, host: str = "127.0.0.1") -> Iterator[Daemon]:
    """`host`: the address where it listens."""
    packages = installed()
    make_certificate(home, host=host)
    port = free_port()
    (home / "conf.d").mkdir()
    (home / "conf.d" / "50-tests.conf").write_text(CONFIGURATION.format(home=home, host=host, port=port))
    daemon = Daemon(home, packages, host, port, start(home, packages, host, port))
    try:
        yield daemon
    finally:
        daemon.stop()


def start(
    home: Path, packages: Path, host: str, port: int, ticket: dict[str, Any] | None = None
) -> subprocess.Popen[bytes]:
    more: list[str | Path] = []
    if ticket:
        (home / "ticket.json").write_text(json.dumps(ticket))
        more = ["--ticket", home / "ticket.json"]
    with (home / "daemon.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, packages / "bin" / "ovirt-imageio", "--conf-dir", home, *more],
            env={**os.environ, "PYTHONPATH": str(packages)},
            stderr=output,
        )
    wait_for(port, process, host)
    while not accepts(home / "control"):
        assert process.poll() is None, (home / "daemon.log").read_text()
    return process


def accepts(path: Path) -> bool:
    """Whether somebody listens on a socket of that name."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False
