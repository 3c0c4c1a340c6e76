"""What must be true of the machine before a cluster can start: each missing thing is one line that says what to do."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import (
    API_PORT,
    CHECKOUT,
    CONTROLLER_MANAGER_PORT,
    DNS_PORT,
    ETCD_PORT,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    NODE_IP,
    PROXY_HEALTH_PORT,
    SCHEDULER_PORT,
)
from devcluster.shell import run, succeeds

# Package of Debian 12 and 13, and a file that shows that it is installed.
PACKAGES = {
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "/usr/sbin/iptables-restore",
    "conntrack": "/usr/sbin/conntrack",
    "ethtool": "/usr/sbin/ethtool",
    "socat": "/usr/bin/socat",
    "iproute2": "/usr/bin/ip",
    "kmod": "/usr/bin/kmod",
    "mount": "/usr/sbin/losetup",
    "openssl": "/usr/bin/openssl",
    "e2fsprogs": "/usr/sbin/mkfs.ext4",
    "xfsprogs": "/usr/sbin/mkfs.xfs",
}
FILESYSTEMS = ("overlay", "ext4", "xfs")
MODULES = ("overlay", "br_netfilter", "xfs", "loop")
PORTS = {
    "kube-apiserver": (NODE_IP, API_PORT),
    "etcd": ("127.0.0.1", ETCD_PORT),
    "kubelet": ("", KUBELET_PORT),
    "kubelet (health)": ("127.0.0.1", KUBELET_HEALTH_PORT),
    "kube-controller-manager": ("127.0.0.1", CONTROLLER_MANAGER_PORT),
    "kube-scheduler": ("127.0.0.1", SCHEDULER_PORT),
    "kube-proxy": ("127.0.0.1", PROXY_HEALTH_PORT),
    "coredns": ("", DNS_PORT),
}


def require_root() -> None:
    """The embedded cluster mounts, makes namespaces and cgroups."""
    if os.geteuid() != 0:
        raise DevclusterError("the embedded cluster needs root: run it again with sudo")


def ensure_machine() -> None:
    """Check the kernel and install the missing packages; raises a DevclusterError that names what is missing."""
    if platform.system() != "Linux":
        raise DevclusterError(
            "the embedded cluster runs on Linux only: install a container engine and kind, or set KUBECONFIG"
        )
    install_packages([name for name, shown_by in PACKAGES.items() if not Path(shown_by).exists()])
    # A module that is built into the kernel, or that is not there, makes modprobe fail: what counts is checked below.
    for module in MODULES:
        succeeds(["modprobe", "--quiet", module])
    served = Path("/proc/filesystems").read_text().split()
    if missing := [name for name in FILESYSTEMS if name not in served]:
        raise DevclusterError(f"this kernel has no {', '.join(missing)}: load the module or boot a kernel that has it")
    for path, purpose in (
        ("/dev/loop-control", "loop devices"),
        ("/proc/sys/net/bridge", "bridge netfilter (br_netfilter)"),
    ):
        if not Path(path).exists():
            raise DevclusterError(f"this kernel has no {purpose}: {path} is missing")
    if not any(Path("/sys/fs/cgroup").iterdir()):
        raise DevclusterError("no cgroups are mounted at /sys/fs/cgroup: mount them (Debian's cgroupfs-mount does)")


def require_free_ports(ports: Iterable[str]) -> None:
    """Each port that a component of ours wants is free; `ports`: names of PORTS."""
    for name in ports:
        host, port = PORTS[name]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise DevclusterError(
                    f"port {port} of {host or 'this machine'}, which {name} needs, is in use ({error.strerror}): "
                    "end the other Kubernetes on this machine, or use it by setting KUBECONFIG"
                ) from error


def install_packages(names: Sequence[str]) -> None:
    """Install Debian packages; on another distribution say which are missing."""
    if not names:
        return
    if not shutil.which("apt-get"):
        raise DevclusterError(f"please install (names of Debian's packages): {' '.join(names)}")
    print(f"installing Debian packages: {' '.join(names)}", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *names]
    with suppress(DevclusterError):
        run(install, env=environment)
        return
    run(["apt-get", "update", "--quiet"], env=environment)
    run(install, env=environment)


def storage_python() -> str:
    """An interpreter that can run the CSI driver: the checkout's virtual environment, or this one."""
    for python in (str(CHECKOUT / ".venv" / "bin" / "python"), sys.executable):
        with suppress(FileNotFoundError):
            if subprocess.run([python, "-c", "import grpc"], capture_output=True).returncode == 0:
                return python
    raise DevclusterError("the CSI driver needs grpcio, which this Python lacks: run `make venv` first")
