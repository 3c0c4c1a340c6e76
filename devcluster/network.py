"""The machine's side of the cluster's network: the bridge that is the node's address, kernel settings, two rules.

What is changed in the kernel's settings, here or by kubelet, is written down first, and `down` puts it back.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from devcluster.layout import BRIDGE, DATA, NODE_IP, POD_CIDR
from devcluster.shell import run, succeeds

CHAIN = "CDI-DEVCLUSTER"
OUR_CHAINS = (CHAIN, "KUBE-")
# A bridge otherwise takes the lowest address of its ports, and pods that cached it lose their gateway.
BRIDGE_MAC = "0a:58:0a:f4:00:01"
PREFIX_LENGTH = POD_CIDR.partition("/")[2]
WANTED = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
    "fs/inotify/max_user_instances": "8192",
}
# These kubelet sets by itself (container_manager_linux.go, setupKernelTunables).
SET_BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
SAVED = DATA / "sysctl.json"


def ensure() -> None:
    """Bring up bridge, kernel settings and rules; what is there already stays."""
    _save_settings()
    for name, value in WANTED.items():
        _write_setting(name, value)
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run(["ip", "link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge"])
    run(["ip", "address", "replace", f"{NODE_IP}/{PREFIX_LENGTH}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    rules = f"""\
*nat
:{CHAIN} - [0:0]
-A {CHAIN} -s {POD_CIDR} ! -d {POD_CIDR} -j MASQUERADE
COMMIT
*filter
:{CHAIN} - [0:0]
-A {CHAIN} -i {BRIDGE} -j ACCEPT
-A {CHAIN} -o {BRIDGE} -j ACCEPT
COMMIT
"""
    run(["iptables-restore", "--wait", "--noflush"], stdin=rules)
    for table, chain in (("nat", "POSTROUTING"), ("filter", "FORWARD")):
        if not succeeds(["iptables", "--wait", "-t", table, "-C", chain, "-j", CHAIN]):
            run(["iptables", "--wait", "-t", table, "-I", chain, "-j", CHAIN])


def remove() -> None:
    """Take away the bridge, the rules and chains of ours and of kube-proxy, and restore the kernel's settings."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run(["ip", "link", "delete", BRIDGE])
    for command in ("iptables", "ip6tables"):
        with suppress(FileNotFoundError):
            saved = subprocess.run([f"{command}-save"], capture_output=True, text=True).stdout
            if script := "".join(f"{line}\n" for line in removal(saved)):
                run([f"{command}-restore", "--wait", "--noflush"], stdin=script)
    if SAVED.exists():
        for name, value in json.loads(SAVED.read_text()).items():
            _write_setting(name, value)


def removal(saved: str) -> Iterator[str]:
    """The iptables-restore lines that take our chains, and the rules that jump there, out of iptables-save's text."""
    for table in saved.split("COMMIT\n"):
        lines = table.splitlines()
        names = [line[1:].split()[0] for line in lines if line.startswith(":")]
        ours = [name for name in names if name.startswith(OUR_CHAINS)]
        if not ours:
            continue
        yield next(line for line in lines if line.startswith("*"))
        for line in lines:
            words = line.split()
            if words[:1] == ["-A"] and words[1] not in ours and not set(words).isdisjoint(ours):
                yield f"-D{line[2:]}"
        yield from (f"-F {name}" for name in ours)
        yield from (f"-X {name}" for name in ours)
        yield "COMMIT"


def _save_settings() -> None:
    if SAVED.exists():
        return
    before = {}
    for name in (*WANTED, *SET_BY_KUBELET):
        with suppress(OSError):
            before[name] = Path("/proc/sys", name).read_text().strip()
    partial = SAVED.with_suffix(".partial")
    partial.write_text(json.dumps(before, indent=2))
    partial.rename(SAVED)


def _write_setting(name: str, value: str) -> None:
    path = Path("/proc/sys", name)
    if path.exists() and path.read_text().strip() != value:
        path.write_text(value)
