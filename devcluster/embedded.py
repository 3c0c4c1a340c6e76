"""The life of the embedded cluster: `up` makes true what is not true yet, `down` leaves nothing.

There is no supervisor. Every step of `up` looks first and acts only where something is missing, so the same command
starts a cluster, does nothing to a healthy one and heals one that was killed or rebooted.
"""

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from devcluster import binaries, configs, images, network, pki, prerequisites, processes, status, sweep
from devcluster.api import Api
from devcluster.components import Component, control_plane, node, storage
from devcluster.errors import DevclusterError
from devcluster.layout import (
    CACHE,
    CHECKOUT,
    DATA,
    KUBECONFIG,
    KUBELET_ROOT,
    LOGS,
    PAUSE_IMAGE,
    PIDS,
    PKI,
    PROGRAMS,
    RUN,
    SOURCE,
)
from devcluster.shell import run, say

# In RUN, which is removed last.
GOING_DOWN = RUN / "going-down"
START_TIMEOUT_S = 120.0
POLL_S = 0.05


@dataclass(frozen=True)
class Embedded:
    """The embedded cluster of this machine: there is one."""

    def up(self) -> None:
        """Bring it up, or back up. Raises DevclusterError with the end of the log of what does not start."""
        prerequisites.require_root()
        with _alone():
            if GOING_DOWN.exists():
                say("finishing a `down` that was interrupted")
                _take_down()
            prerequisites.ensure_machine()
            home, python = binaries.ensure(), prerequisites.storage_python()
            began = time.monotonic()
            _prepare()
            _run(home, python)
        say(f"ready in {time.monotonic() - began:.0f} s: export KUBECONFIG={KUBECONFIG}")

    def down(self) -> None:
        """End every process of the cluster and remove everything it made on this machine; nothing to do is success."""
        prerequisites.require_root()
        with _alone():
            _take_down()
        say("down: nothing is left")

    def restart(self, name: str, first: signal.Signals) -> None:
        """End one component with a signal and start it again, with the sidecars that end with it."""
        prerequisites.require_root()
        if name not in processes.recorded():
            known = ", ".join(processes.recorded()) or "none, there is no cluster"
            raise DevclusterError(f"no component {name} runs here; these do: {known}")
        with _alone():
            processes.stop(processes.recorded()[name], first=first)
        self.up()

    def status(self) -> bool:
        """Print components, node and storage; whether all is ready."""
        programs, python = _programs(), prerequisites.storage_python()
        return status.show((*control_plane(programs), *node(programs), *storage(programs, python)))

    def load(self, archive: Path) -> None:
        """Import the images of an archive into containerd."""
        for name in images.load(_programs(), archive):
            say(f"loaded {name}")

    def kubeconfig(self) -> str:
        """The administrator's."""
        return str(KUBECONFIG)


def _take_down() -> None:
    """Remove everything, and until then leave a mark: half a cluster must not be healed, its volumes are gone."""
    if not RUN.exists() and not DATA.exists():
        return  # Pods, chains and bridges that may be here are of somebody else's Kubernetes.
    RUN.mkdir(parents=True, exist_ok=True)
    GOING_DOWN.touch()
    sweep.end_processes()
    _clean_storage()
    network.remove()
    sweep.remove_traces()


def _prepare() -> None:
    """Everything that must be there before the first process starts."""
    _forget_earlier_boot()
    _end_strays()
    for directory in (DATA, RUN, KUBELET_ROOT):
        directory.mkdir(parents=True, exist_ok=True)
    pki.ensure(PKI)
    configs.write(configs.has_nameserver(Path("/etc/resolv.conf").read_text()))
    network.ensure()
    alive = {name for name, process in processes.recorded().items() if process.alive()}
    prerequisites.require_free_ports(name for name in prerequisites.PORTS if name.split()[0] not in alive)


def _run(home: Path, python: str) -> None:
    """Start what does not run, in three waves: the control plane, the node, its storage."""
    programs = home / "bin"
    PROGRAMS.unlink(missing_ok=True)
    PROGRAMS.symlink_to(programs)
    environment = _environment(programs)
    first, second, third = control_plane(programs), node(programs), storage(programs, python)
    _end_unknown({component.name for component in (*first, *second, *third)})
    _start(first, environment)
    _wait(first)
    _start(second, environment)
    if PAUSE_IMAGE not in images.names(programs):
        images.load(programs, home / "pause.tar")
    _apply(programs, [home / "crds"])
    _wait(second)
    _start(third, environment)
    _wait(third)
    _apply(programs, [SOURCE / "manifests", SOURCE / "csi" / "manifests"])
    _wait_for_cluster()
    _require_alive()


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
        say(f"starting {component.name}")
        processes.start(component.name, component.argv, environment, CHECKOUT, digest)
        started.add(component.name)


def _wait(components: Sequence[Component]) -> None:
    """Wait until each is ready; one that ends meanwhile is an error with the end of its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    for component in components:
        while not component.ready():
            process = processes.recorded()[component.name]
            if not process.alive():
                raise _failure(component.name, "ended")
            if time.monotonic() > deadline:
                raise _failure(component.name, f"is not ready after {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)


def _wait_for_cluster() -> None:
    """Wait until a pod could run."""
    api, deadline = Api(), time.monotonic() + START_TIMEOUT_S
    while missing := list(status.missing(api)):
        if time.monotonic() > deadline:
            raise DevclusterError(f"the cluster does not get ready: {', '.join(missing)}")
        time.sleep(POLL_S)


def _require_alive() -> None:
    """A program without a health endpoint shows that it cannot work by ending soon after its start."""
    for name, process in processes.recorded().items():
        if not process.alive():
            raise _failure(name, "ended")


def _failure(name: str, what: str) -> DevclusterError:
    return DevclusterError(
        f"{name} {what}; the end of its log ({LOGS / name}.log):\n{processes.log_tail(name)}\n"
        "`python -m devcluster up` tries again; `python -m devcluster down` and then `up` starts with an empty cluster"
    )


def _apply(programs: Path, directories: Iterable[Path]) -> None:
    """Apply the manifests of each directory that has some."""
    files = [f"--filename={place}" for place in directories if any(place.glob("*.yaml"))]
    run([programs / "kubectl", f"--kubeconfig={KUBECONFIG}", "apply", "--server-side", "--force-conflicts", *files])


def _end_unknown(names: set[str]) -> None:
    """End what an earlier version of this table started and this one does not know."""
    for name, process in processes.recorded().items():
        if name not in names:
            processes.stop(process)


def _programs() -> Path:
    """Where the programs of the running cluster are; its directories are root's."""
    prerequisites.require_root()
    if not PIDS.exists() or not PROGRAMS.exists():
        raise DevclusterError("no cluster runs here: `python -m devcluster up` starts one")
    return PROGRAMS.resolve()


def _clean_storage() -> None:
    """Let each storage provider take apart what it mounted and attached (the pods are gone)."""
    for data in (DATA / "csi", DATA / "csi-noclone", DATA / "local"):
        if data.exists():
            try:
                run([prerequisites.storage_python(), "-m", "devcluster.csi", "clean", "--data", data], cwd=CHECKOUT)
            except DevclusterError as error:
                say(f"{error}; going on: mounts and loop devices are swept next")


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


def _environment(programs: Path) -> dict[str, str]:
    """What the processes see: nothing of the user's shell, whose proxies and KUBECONFIG would lead them astray.

    Nearly all of them are written in Go and small, and the machine's processors are what the cluster lacks first: so
    they may let memory grow to five times what they use before they clean up, instead of twice.
    """
    path = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "GOGC": "400"}


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock that keeps two commands from working on the cluster at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say("another devcluster command is at work: waiting for it")
            flock(lock, LOCK_EX)
        yield
