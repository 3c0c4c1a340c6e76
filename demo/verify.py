"""What became of a volume, judged by qemu: its bytes against the source, and whether the system on it starts.

A pod exports the volume read-only over NBD, so this works on every kind of storage and on every cluster; qemu-img and
qemu-system here reach it through a port of the API server. The machine that boots writes into a throw-away overlay.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl, Object
from devcluster.shell import run
from oci.recipes import TESTSERVER

NBD_PORT = 10809
PROMPT = b"login:"
BROKEN_KVM = b"KVM internal error"
BOOT_TIMEOUT_S = {"kvm": 60.0, "tcg": 300.0}
"""Without KVM it takes 30 s on two cores."""


@contextmanager
def exported(kubectl: Kubectl, claim: str, mode: str) -> Iterator[str]:
    """The NBD address, on this machine, of the disk on a claim while the context lasts."""
    pod = f"pod/export-{claim}"
    release(kubectl, claim)
    kubectl.apply(_exporter(claim, mode))
    try:
        kubectl.wait(pod, "condition=Ready")
        with kubectl.forward(pod, NBD_PORT) as port:
            yield f"nbd://127.0.0.1:{port}"
    finally:
        kubectl.delete(pod, "--wait=false")


def release(kubectl: Kubectl, claim: str) -> None:
    """End an export that was left behind: while its pod is there, the claim cannot go."""
    kubectl.delete(f"pod/export-{claim}")


def compare(source: Path, address: str) -> None:
    """Raises DevclusterError unless every byte is that of the source, and what lies beyond its end is zero."""
    run(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", source, address])


@dataclass(frozen=True)
class Boot:
    accelerator: str
    took_s: float
    last_line: str


def boot(address: str, told: Callable[[str], None]) -> Boot:
    """Start a virtual machine from the disk and wait for its login prompt; `told` hears the lines of its console."""
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        try:
            return _boot("kvm", address, told)
        except DevclusterError:
            # A /dev/kvm that cannot run a boot loader is common where the machine is itself virtual.
            told("this machine's KVM gave up: emulating the processor instead, which takes longer")
    return _boot("tcg", address, told)


def _boot(accelerator: str, address: str, told: Callable[[str], None]) -> Boot:
    argv = ["qemu-system-x86_64", "-accel", accelerator, "-m", "512", "-no-user-config", "-nodefaults"]
    argv += ["-display", "none", "-serial", "stdio", "-no-reboot"]
    argv += ["-drive", f"file={address},format=raw,if=virtio,snapshot=on"]
    started = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as machine:
        try:
            took_s, line = _await_prompt(machine, started, started + BOOT_TIMEOUT_S[accelerator], told)
            return Boot(accelerator, took_s, line)
        finally:
            machine.kill()


def _await_prompt(
    machine: subprocess.Popen[bytes], started: float, deadline: float, told: Callable[[str], None]
) -> tuple[float, str]:
    assert machine.stdout
    console = b""
    shown = 0
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([machine.stdout], [], [], left_s)[0]:
            break
        part = os.read(machine.stdout.fileno(), 65536)
        console += part
        if BROKEN_KVM in console:
            break
        lines = readable(console).split("\n")
        for line in lines[shown:-1]:
            told(line)
        shown = max(shown, len(lines) - 1)
        if PROMPT in console:
            return time.monotonic() - started, lines[-1].strip()
        if not part:
            break
    end = " / ".join(readable(console).split("\n")[-5:])
    raise DevclusterError(f"the system on the volume shows no login prompt; its console ends with: {end}")


def readable(console: bytes) -> str:
    """What a terminal would show, without its control sequences and empty lines."""
    text = re.sub(r"\x1b(\[[0-9;?!]*[A-Za-z]|c|\][^\x07]*\x07)", "", console.decode(errors="replace"))
    return re.sub(r"[\r\n]+", "\n", text)


def _exporter(claim: str, mode: str) -> Object:
    disk = "/data/disk.img" if mode == "Filesystem" else "/dev/disk"
    volume = {"name": "disk", "persistentVolumeClaim": {"claimName": claim}}
    mounted = {"volumeMounts": [{"name": "disk", "mountPath": "/data"}]}
    attached = {"volumeDevices": [{"name": "disk", "devicePath": disk}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"export-{claim}"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 107,
                "fsGroup": 107,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "qemu-nbd",
                    "image": TESTSERVER.reference,
                    "command": ["qemu-nbd", "--read-only", "--persistent", "--shared=4", "--format=raw"],
                    "args": [f"--port={NBD_PORT}", disk],
                    "readinessProbe": {"tcpSocket": {"port": NBD_PORT}, "periodSeconds": 1},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
                | (mounted if mode == "Filesystem" else attached)
            ],
            "volumes": [volume],
        },
    }
