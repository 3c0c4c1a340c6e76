"""The life of the embedded cluster: `up` makes true what is not true yet, `down` leaves nothing.

There is no supervisor. Every step of `up` looks first and acts only where something is missing, so the same command
starts a cluster, does nothing to a healthy one and heals one that was killed or rebooted.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from devcluster import binaries, configs, network, pki, prerequisites, processes, sweep
from devcluster.api import Api
from devcluster.components import Component, control_plane, node, storage
from devcluster.errors import DevclusterError
from devcluster.layout import (
    CACHE,
    CHECKOUT,
    CONTAINERD_SOCKET,
    DATA,
    KUBECONFIG,
    KUBELET_ROOT,
    NODE,
    PAUSE_IMAGE,
    PKI,
    RUN,
    SOURCE,
)
from devcluster.shell import run, succeeds

START_TIMEOUT_S = 120.0
POLL_S = 0.05


def up() -> None:
    """Bring the cluster up, or back up. Raises DevclusterError with the end of the log of what does not start."""
    began = time.monotonic()
    prerequisites.require_root()
    with _alone():
        prerequisites.ensure_machine()
        home = binaries.ensure()
        programs, python = home / "bin", prerequisites.storage_python()
        _forget_earlier_boot()
        _end_strays()
        for directory in (DATA, RUN, KUBELET_ROOT):
            directory.mkdir(parents=True, exist_ok=True)
        DATA.chmod(0o711)
        pki.ensure(PKI)
        configs.write(configs.has_nameserver(Path("/etc/resolv.conf").read_text()))
        network.ensure()
        _require_free_ports()
        environment = _environment(programs)
        first, second, third = control_plane(programs), node(programs), storage(programs, python)
        _start(first, environment)
        _wait(first)
        _start(second, environment)
        _load_pause(programs, home / "pause.tar")
        _apply(programs, [home / "crds"])
        _wait(second)
        _start(third, environment)
        _wait(third)
        _apply(programs, [SOURCE / "manifests", SOURCE / "csi" / "manifests"])
        _wait_for_cluster()
    _say(f"ready in {time.monotonic() - began:.0f} s")


def down() -> None:
    """End every process of the cluster and remove everything it made on this machine; nothing to do is success."""
    prerequisites.require_root()
    with _alone():
        records = processes.recorded()
        # The kubelet goes first: it would start again what is ended below.
        for name in sorted(records, key=lambda name: name != "kubelet"):
            if not name.startswith("csi"):
                processes.stop(records[name], grace_s=0, first=signal.SIGKILL)
        processes.kill(sweep.pod_processes())
        _clean_storage()
        sweep.everything()
        network.remove()
    _say("down: nothing is left")


def restart(name: str, first: signal.Signals) -> None:
    """End one component with a signal and start it again, with the sidecars that end with it."""
    prerequisites.require_root()
    if name not in processes.recorded():
        raise DevclusterError(f"no component {name} runs here: see `python -m devcluster status`")
    with _alone():
        processes.stop(processes.recorded()[name], first=first)
    up()


def table() -> tuple[Component, ...]:
    """Every component of the cluster."""
    programs = binaries.directory() / "bin"
    return (*control_plane(programs), *node(programs), *storage(programs, sys.executable))


def _start(components: Iterable[Component], environment: dict[str, str]) -> None:
    """Start what does not run, or runs on old settings."""
    started = set()
    for component in components:
        digest = processes.fingerprint(component.argv, component.inputs)
        running = processes.recorded().get(component.name)
        if running:
            if running.alive() and running.fingerprint == digest and component.dies_with not in started:
                continue
            processes.stop(running)
        processes.start(component.name, component.argv, environment, CHECKOUT, digest)
        started.add(component.name)


def _wait(components: Sequence[Component]) -> None:
    """Wait until each is ready; one that ends meanwhile is an error with the end of its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    for component in components:
        while not component.ready():
            process = processes.recorded()[component.name]
            if not process.alive():
                raise DevclusterError(f"{component.name} ended:\n{processes.log_tail(component.name)}")
            if time.monotonic() > deadline:
                raise DevclusterError(f"{component.name} is not ready:\n{processes.log_tail(component.name)}")
            time.sleep(POLL_S)


def _wait_for_cluster() -> None:
    """Wait until a pod could run: node ready, default service account there, CSI drivers registered."""
    api, deadline = Api(), time.monotonic() + START_TIMEOUT_S
    while missing := list(_missing(api)):
        if time.monotonic() > deadline:
            raise DevclusterError(f"the cluster does not get ready: {', '.join(missing)}")
        time.sleep(POLL_S)


def _missing(api: Api) -> Iterator[str]:
    found = api.get(f"/api/v1/nodes/{NODE}")
    conditions = found["status"].get("conditions", []) if found else []
    if not any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        yield f"node {NODE} is not Ready"
    if not api.get("/api/v1/namespaces/default/serviceaccounts/default"):
        yield "namespace default has no service account yet"
    wanted = {driver["metadata"]["name"] for driver in api.items("/apis/storage.k8s.io/v1/csidrivers")}
    csi_node = api.get(f"/apis/storage.k8s.io/v1/csinodes/{NODE}")
    registered = {driver["name"] for driver in (csi_node or {"spec": {}})["spec"].get("drivers") or []}
    for name in sorted(wanted - registered):
        yield f"CSI driver {name} is not registered with the kubelet"


def _load_pause(programs: Path, archive: Path) -> None:
    ctr = [programs / "ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images"]
    if PAUSE_IMAGE not in run([*ctr, "list", "--quiet"]).split():
        run([*ctr, "import", archive])


def _apply(programs: Path, directories: Iterable[Path]) -> None:
    """Apply the manifests of each directory that has some."""
    files = [argument for place in directories if any(place.glob("*.yaml")) for argument in ("-f", place)]
    kubectl = [programs / "kubectl", "--kubeconfig", KUBECONFIG]
    run([*kubectl, "apply", "--server-side", "--force-conflicts", *files])


def _clean_storage() -> None:
    """Let each storage provider take apart what it mounted and attached (the pods are gone)."""
    records = processes.recorded()
    for name in ("csi", "csi-noclone"):
        if name in records:
            processes.stop(records[name])
    for data in (DATA / "csi", DATA / "csi-noclone", DATA / "local"):
        if data.exists():
            run([prerequisites.storage_python(), "-m", "devcluster.csi", "clean", "--data", data], cwd=CHECKOUT)


def _forget_earlier_boot() -> None:
    """After a reboot nothing below RUN is true any more: sockets, pids, pod network addresses, shims."""
    mark = RUN / "boot-id"
    if RUN.exists() and (not mark.exists() or mark.read_text() != processes.boot_id()):
        sweep.remove_tree(RUN)
    RUN.mkdir(parents=True, exist_ok=True)
    mark.write_text(processes.boot_id())


def _end_strays() -> None:
    for pid in processes.strays():
        if (ticks := processes.start_ticks(pid)) is not None:
            processes.end(pid, ticks, grace_s=10)


def _require_free_ports() -> None:
    alive = {name for name, process in processes.recorded().items() if process.alive()}
    prerequisites.require_free_ports(name for name in prerequisites.PORTS if name.split()[0] not in alive)


def _environment(programs: Path) -> dict[str, str]:
    """What the processes see: nothing of the user's shell, whose proxies and KUBECONFIG would lead them astray."""
    return {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock that keeps two commands from working on the cluster at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            _say("another devcluster command is at work: waiting for it")
            flock(lock, LOCK_EX)
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
