"""What the cluster consists of, as a table: each program, its arguments, what it waits for and when it is ready."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devcluster.configs import BURST, QPS, kubeconfig_of
from devcluster.layout import (
    API_PORT,
    CONFIG,
    CONTAINERD_SOCKET,
    CONTROLLER_MANAGER_PORT,
    CSI_NOCLONE_SOCKET,
    CSI_SOCKET,
    DATA,
    DNS_HEALTH_PORT,
    ETCD_HEALTH_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    KUBECONFIG,
    KUBELET_HEALTH_PORT,
    KUBELET_ROOT,
    NODE,
    NODE_IP,
    PKI,
    PROXY_HEALTH_PORT,
    SCHEDULER_PORT,
    SERVICE_CIDR,
)

Probe = Callable[[], bool]


@dataclass(frozen=True)
class Component:
    """One program. `inputs`: files whose change means a restart; `dies_with`: what a sidecar cannot outlive."""

    name: str
    argv: tuple[str, ...]
    ready: Probe
    inputs: tuple[Path, ...] = ()
    dies_with: str | None = None


def control_plane(programs: Path) -> tuple[Component, ...]:
    """What makes a cluster, in starting order; `programs`: directory of the binaries."""
    return (
        _etcd(programs),
        Component(
            "containerd",
            (f"{programs}/containerd", "--config", f"{CONFIG}/containerd.toml"),
            _listens(CONTAINERD_SOCKET),
            inputs=(CONFIG / "containerd.toml",),
        ),
        _apiserver(programs),
    )


def node(programs: Path) -> tuple[Component, ...]:
    """What turns an API server into a cluster that runs pods, in any order."""
    return (
        _controller_manager(programs),
        Component(
            "kube-scheduler",
            (f"{programs}/kube-scheduler", f"--config={CONFIG}/scheduler.json", "--bind-address=127.0.0.1"),
            _answers("127.0.0.1", SCHEDULER_PORT, "/healthz", tls=True),
            inputs=(CONFIG / "scheduler.json", kubeconfig_of("scheduler")),
        ),
        Component(
            "kubelet",
            (
                f"{programs}/kubelet",
                f"--config={CONFIG}/kubelet.json",
                f"--kubeconfig={kubeconfig_of('kubelet')}",
                f"--root-dir={KUBELET_ROOT}",
                f"--cert-dir={KUBELET_ROOT}/pki",
                f"--hostname-override={NODE}",
                f"--node-ip={NODE_IP}",
            ),
            _answers("127.0.0.1", KUBELET_HEALTH_PORT, "/healthz"),
            inputs=(CONFIG / "kubelet.json", kubeconfig_of("kubelet")),
        ),
        Component(
            "kube-proxy",
            (f"{programs}/kube-proxy", f"--config={CONFIG}/proxy.json"),
            _answers("127.0.0.1", PROXY_HEALTH_PORT, "/healthz"),
            inputs=(CONFIG / "proxy.json", kubeconfig_of("proxy")),
        ),
        Component(
            "coredns",
            (f"{programs}/coredns", "-conf", f"{CONFIG}/Corefile"),
            _answers("127.0.0.1", DNS_HEALTH_PORT, "/ready"),
            inputs=(CONFIG / "Corefile", KUBECONFIG),
        ),
    )


def storage(programs: Path, python: str) -> tuple[Component, ...]:
    """CSI drivers with their sidecars, and the provisioner without CSI; `python`: an interpreter that has grpcio."""
    command = (python, "-m", "devcluster.csi")
    return (
        _sidecar(programs, "snapshot-controller", None, "--worker-threads=10"),
        Component("csi", (*command, "driver", *_driver(CSI_SOCKET, "csi")), _listens(CSI_SOCKET)),
        Component(
            "csi-noclone",
            (
                *(*command, "driver", *_driver(CSI_NOCLONE_SOCKET, "csi-noclone")),
                *("--driver-name", "csi.devcluster.local", "--no-snapshots", "--no-clones"),
            ),
            _listens(CSI_NOCLONE_SOCKET),
        ),
        Component(
            "local-provisioner",
            (*command, "local-provisioner", "--kubeconfig", str(KUBECONFIG), "--data", f"{DATA}/local"),
            _started,
        ),
        *_volume_sidecars(programs, "csi", CSI_SOCKET),
        _sidecar(programs, "csi-snapshotter", "csi", f"--csi-address={CSI_SOCKET}", "--extra-create-metadata"),
        *_volume_sidecars(programs, "csi-noclone", CSI_NOCLONE_SOCKET),
    )


def _etcd(programs: Path) -> Component:
    def certificates(prefix: str) -> list[str]:
        return [
            f"--{prefix}client-cert-auth",
            f"--{prefix}trusted-ca-file={PKI}/etcd-ca.crt",
            f"--{prefix}cert-file={PKI}/etcd.crt",
            f"--{prefix}key-file={PKI}/etcd.key",
        ]

    url, peer = f"https://127.0.0.1:{ETCD_PORT}", f"https://127.0.0.1:{ETCD_PEER_PORT}"
    argv = [
        f"{programs}/etcd",
        f"--name={NODE}",
        f"--data-dir={DATA}/etcd",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={NODE}={peer}",
        f"--listen-metrics-urls=http://127.0.0.1:{ETCD_HEALTH_PORT}",
        # The cluster is thrown away: it need not survive a power cut, and its writes should cost what memory costs.
        "--unsafe-no-fsync",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
        *certificates(""),
        *certificates("peer-"),
    ]
    return Component("etcd", tuple(argv), _answers("127.0.0.1", ETCD_HEALTH_PORT, "/health"))


def _apiserver(programs: Path) -> Component:
    argv = [
        f"{programs}/kube-apiserver",
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers=https://127.0.0.1:{ETCD_PORT}",
        f"--etcd-cafile={PKI}/etcd-ca.crt",
        f"--etcd-certfile={PKI}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={PKI}/apiserver-etcd-client.key",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        # The aggregation layer (requestheader) serves the upload API of CDI.
        "--enable-aggregator-routing=true",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
    ]
    ready = _answers(NODE_IP, API_PORT, "/readyz", tls=True)
    return Component("kube-apiserver", tuple(argv), ready)


def _controller_manager(programs: Path) -> Component:
    kubeconfig = kubeconfig_of("controller-manager")
    argv = [
        f"{programs}/kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={PKI}/ca.crt",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        f"--flex-volume-plugin-dir={DATA}/flexvolume",
        f"--kube-api-qps={QPS}",
        f"--kube-api-burst={BURST}",
    ]
    ready = _answers("127.0.0.1", CONTROLLER_MANAGER_PORT, "/healthz", tls=True)
    return Component("kube-controller-manager", tuple(argv), ready, inputs=(kubeconfig,))


def _driver(endpoint: Path, data: str) -> list[str]:
    where = ["--endpoint", f"unix://{endpoint}", "--data", f"{DATA}/{data}"]
    return [*where, "--node-id", NODE, "--kubelet-root", str(KUBELET_ROOT)]


def _volume_sidecars(programs: Path, driver: str, endpoint: Path) -> Iterable[Component]:
    address, suffix = f"--csi-address={endpoint}", driver.removeprefix("csi")
    yield _sidecar(
        programs,
        f"csi-provisioner{suffix}",
        driver,
        *(address, "--extra-create-metadata", "--default-fstype=ext4", "--worker-threads=20"),
    )
    yield _sidecar(programs, f"csi-resizer{suffix}", driver, address, "--handle-volume-inuse-error=false")


def _sidecar(programs: Path, name: str, driver: str | None, *flags: str) -> Component:
    argv = (
        f"{programs}/{name.removesuffix('-noclone')}",
        f"--kubeconfig={KUBECONFIG}",
        f"--kube-api-qps={QPS}",
        f"--kube-api-burst={BURST}",
        *flags,
    )
    return Component(name, argv, _started, inputs=(KUBECONFIG,), dies_with=driver)


def _started() -> bool:
    return True


def _listens(path: Path) -> Probe:
    """Something accepts connections on a unix socket."""

    def probe() -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return True
        return False

    return probe


def _answers(host: str, port: int, path: str, *, tls: bool = False) -> Probe:
    """A health endpoint says 200. Its certificate may be self-signed and is not the question here."""

    def probe() -> bool:
        connection = (
            http.client.HTTPSConnection(host, port, timeout=2, context=ssl._create_unverified_context())
            if tls
            else http.client.HTTPConnection(host, port, timeout=2)
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe
