"""`python -m devcluster.prove`: the promises of `up` and `down`, kept under kill -9, on this machine, right now.

It needs the machine without a cluster. What is on the machine is written down before and after, by other means than
`down` itself uses; whatever is there afterwards and was not there before is a failure.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from devcluster import binaries, pause, processes, sweep
from devcluster.embedded import Embedded
from devcluster.errors import DevclusterError
from devcluster.images import load
from devcluster.layout import BRIDGE, CHECKOUT, DATA, KUBECONFIG, PROGRAMS, RUN, SOURCE
from devcluster.network import SET_BY_KUBELET as TUNABLES
from devcluster.network import WANTED
from devcluster.shell import run, say

WATCHED = (
    DATA,
    RUN,
    *map(Path, ("/etc/cni", "/opt/cni", "/opt/containerd", "/run/containerd", "/run/netns", "/run/runc")),
)
WATCHED += tuple(map(Path, ("/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/var/log/containers")))
WATCHED += tuple(map(Path, ("/var/log/pods", "/usr/libexec/kubernetes", "/run/flannel", "/run/csi")))
CLIENT_IMAGE = "localhost/cdi-devcluster/kubectl:1"
FAST_UP_S = 60.0
CRASHES = [
    "etcd",
    "containerd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubelet",
    "kube-proxy",
    "csi",
    "csi-noclone",
]


def snapshot() -> set[str]:
    """Everything that a cluster could leave, a line each."""
    return {f"{kind}: {line}" for kind, lines in _kinds().items() for line in lines()}


def main() -> int:
    """Run every proof once; the exit code is 1 when something is left or does not heal."""
    parser = argparse.ArgumentParser(prog="python -m devcluster.prove", description=__doc__)
    parser.add_argument("--kills", type=int, default=3, help="how often `up` itself is killed at a random moment (3)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat the random moments of a run")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    try:
        if DATA.exists() or RUN.exists():
            raise DevclusterError("a cluster is here: `python -m devcluster down` first")
        binaries.ensure()
        before = snapshot()
        say(f"seed {args.seed}: {len(before)} facts about this machine before")
        _prove(args.kills, chance)
        left = sorted(snapshot() - before)
    except DevclusterError as error:
        say(f"FAILED: {error}")
        return 1
    for line in left:
        say(f"LEFT: {line}")
    say("FAILED" if left else "PROVED: ready in time, healed, and nothing is left")
    return 1 if left else 0


def _prove(kills: int, chance: random.Random) -> None:
    took = _timed("up from nothing", Embedded().up)
    if took > FAST_UP_S:
        raise DevclusterError(f"`up` took {took:.0f} s with built programs: more than {FAST_UP_S:.0f}")
    _timed("up again", Embedded().up)
    _timed("a pod reaches DNS, a service, the API server and its volume", _pod_works)
    _timed("crashes that a pod does not notice", lambda: _crash(chance.sample(CRASHES, len(CRASHES))))
    for _ in range(2):
        victims = [pid for pid in processes.marked() if chance.random() < 0.5]
        say(f"kill -9 of {len(victims)} of the cluster's processes")
        processes.kill(victims)
        _timed("healed by up", Embedded().up)
        _timed("a pod works", _pod_works)
    _unplug()
    _timed("up after a reboot", Embedded().up)
    _timed("a pod works", _pod_works)
    _timed("the pod with volumes of every class is back", lambda: _wait_for("pod/holder", "condition=Ready"))
    _timed("down", Embedded().down)
    _timed("down again", Embedded().down)
    for _ in range(kills):
        _kill_command("up", chance.uniform(0.2, 8))
    _timed("up after killed ups", Embedded().up)
    _timed("a pod works", _pod_works)
    _kill_command("down", chance.uniform(0.3, 1.5))
    _timed("up after a killed down", Embedded().up)
    _timed("a pod works", _pod_works)
    _timed("down", Embedded().down)


def _pod_works() -> None:
    """A pod with a client of the API server asks it by the name of its service, and writes to a volume."""
    archive = RUN / "kubectl.tar"
    pause.write_archive(PROGRAMS.resolve() / "kubectl", CLIENT_IMAGE, archive)
    load(PROGRAMS, archive)
    archive.unlink()
    _kubectl("delete", "pod", "proof", "--ignore-not-found")
    _kubectl("apply", "-f", str(SOURCE / "proof" / "pod.yaml"))
    _wait_for("pod/proof", "jsonpath={.status.phase}=Succeeded")
    if (said := _kubectl("logs", "proof")) != "ok":
        raise DevclusterError(f"the pod asked the API server and got {said!r}")


def _crash(names: list[str]) -> None:
    """Each component is killed and started again; a pod with volumes of every class runs on, the same container."""
    _kubectl("apply", "-f", str(SOURCE / "proof" / "holder.yaml"))
    _wait_for("pod/holder", "condition=Ready")
    container = "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}"
    before = _kubectl("get", "pod/holder", "--output", container)
    for name in names:
        Embedded().restart(name, signal.SIGKILL)
        _pod_works()
    if (after := _kubectl("get", "pod/holder", "--output", container)) != before:
        raise DevclusterError(f"the pod did not live through {', '.join(names)}: {before} became {after}")


def _wait_for(what: str, condition: str) -> None:
    try:
        _kubectl("wait", what, f"--for={condition}", "--timeout=90s")
    except DevclusterError as error:
        details = _kubectl("describe", what), _kubectl("get", "pvc,events", "--sort-by=.metadata.creationTimestamp")
        raise DevclusterError("\n".join([str(error), *details])) from error


def _kubectl(*arguments: str) -> str:
    return run([PROGRAMS / "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments])


def _unplug() -> None:
    """What a power cut leaves: the disk, and a RUN directory of another boot where it is not a tmpfs."""
    say("pulling the plug")
    sweep.end_processes()
    sweep.release(sweep.OURS)
    sweep.cgroups()
    run(["ip", "link", "delete", BRIDGE])
    (RUN / "boot-id").write_text("another boot")


def _kill_command(command: str, after_s: float) -> None:
    """Start `up` or `down` and end it with SIGKILL after `after_s` seconds."""
    child = subprocess.Popen(
        [sys.executable, "-m", "devcluster", "--embedded", command], cwd=CHECKOUT, stderr=subprocess.DEVNULL
    )
    with suppress(subprocess.TimeoutExpired):
        child.wait(after_s)
    child.kill()
    child.wait()
    say(f"`{command}` was killed after {after_s:.1f} s")


def _timed(what: str, action: Callable[[], None]) -> float:
    began = time.monotonic()
    action()
    took = time.monotonic() - began
    say(f"{took:6.1f} s  {what}")
    return took


def _kinds() -> dict[str, Callable[[], Iterator[str]]]:
    return {
        "process": _processes,
        "mount": lambda: (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "loop device": lambda: iter(
            run(["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"]).splitlines()
        ),
        "network link": lambda: (link["ifname"] for link in json.loads(run(["ip", "-json", "link"]))),
        "route": lambda: iter(run(["ip", "route"]).splitlines()),
        "iptables": lambda: _rules("iptables-save"),
        "ip6tables": lambda: _rules("ip6tables-save"),
        "cgroup": lambda: (str(path) for path in Path("/sys/fs/cgroup").glob("**/*kube*")),
        "file": lambda: (str(path) for top in WATCHED if top.exists() for path in (top, *top.rglob("*"))),
        "listener": lambda: (" ".join(line.split()[3:4]) for line in run(["ss", "-Hltun"]).splitlines()),
        "kernel setting": _settings,
    }


def _processes() -> Iterator[str]:
    """Processes that name our directories in their arguments, whatever they are."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            with suppress(OSError):
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if any(str(ours) in command for ours in (DATA, RUN, binaries.directory())):
                    yield f"{directory.name} {command[:100]}"


def _rules(command: str) -> Iterator[str]:
    """Rules and chains of our own kind; an empty built-in chain is no trace."""
    for line in run([command]).splitlines():
        if line.startswith("-A") or (line.startswith(":") and line.split()[1] == "-"):
            yield line.split(" [")[0]


def _settings() -> Iterator[str]:
    for name in (*WANTED, *TUNABLES):
        with suppress(OSError):
            yield f"{name} = {Path('/proc/sys', name).read_text().strip()}"


if __name__ == "__main__":
    sys.exit(main())
