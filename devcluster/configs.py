"""The configuration files of the cluster's programs, as values: what they say and why it is not the default.

Written on every `up`; a program whose file changed is started again.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster import pki
from devcluster.layout import (
    BRIDGE,
    CLUSTER_DOMAIN,
    CONFIG,
    CONTAINERD_ROOT,
    CONTAINERD_SOCKET,
    CONTAINERD_STATE,
    DATA,
    DNS_HEALTH_PORT,
    DNS_PORT,
    DNS_SERVICE_IP,
    KUBECONFIG,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    NODE,
    NODE_IP,
    PAUSE_IMAGE,
    PKI,
    POD_CIDR,
    PROXY_HEALTH_PORT,
    PROXY_METRICS_PORT,
    RUN,
)

CNI_PLUGINS = "/usr/lib/cni"
RUNC = "/usr/sbin/runc"
CNI_NETWORK = "cdi-devcluster"
# Clients wait for nothing: the default limits (5 to 50 queries per second) would be what a benchmark of ours measures.
QPS, BURST = 500, 1000


def write(nameservers: bool) -> None:
    """Write every file below CONFIG and the kubeconfigs; `nameservers`: whether this machine has any to forward to."""
    CONFIG.mkdir(parents=True, exist_ok=True)
    (CONFIG / "cni").mkdir(exist_ok=True)
    files = {
        CONFIG / "containerd.toml": containerd(),
        CONFIG / "cni" / "10-bridge.conflist": json.dumps(cni(), indent=2),
        CONFIG / "kubelet.json": json.dumps(kubelet(), indent=2),
        CONFIG / "proxy.json": json.dumps(proxy(), indent=2),
        CONFIG / "scheduler.json": json.dumps(scheduler(), indent=2),
        CONFIG / "Corefile": corefile(nameservers),
        KUBECONFIG: pki.kubeconfig(PKI, "admin"),
        **{
            kubeconfig_of(user): pki.kubeconfig(PKI, user)
            for user in ("controller-manager", "scheduler", "proxy", "kubelet")
        },
    }
    for path, text in files.items():
        partial = path.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(text)
        partial.rename(path)


def kubeconfig_of(user: str) -> Path:
    """The kubeconfig of one of the cluster's own programs."""
    return CONFIG / f"{user}.kubeconfig"


def has_nameserver(resolv_conf: str) -> bool:
    """Whether a resolv.conf names a server: CoreDNS refuses to forward to a file that has none."""
    return re.search(r"^\s*nameserver\s+\S", resolv_conf, re.MULTILINE) is not None


def containerd() -> str:
    """containerd's settings: everything below our own directories, so that another containerd here is untouched."""
    return f"""\
version = 3
root = "{CONTAINERD_ROOT}"
state = "{CONTAINERD_STATE}"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[ttrpc]
  address = "{CONTAINERD_SOCKET}.ttrpc"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE (a container or a microVM as the dev machine) every sandbox would fail.
  restrict_oom_score_adj = true
  # A worker that is not root may open the block device of its claim.
  device_ownership_from_security_context = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{CNI_PLUGINS}"]
    conf_dir = "{CONFIG}/cni"
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{RUNC}"
      Root = "{RUN}/runc"
      SystemdCgroup = false
"""


def cni() -> Mapping[str, Any]:
    """Pods on one bridge. Masquerading is a rule of `network`, not a chain a pod; the address book goes at a reboot."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_CIDR, "gateway": NODE_IP}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(RUN / "ipam"),
        },
    }
    return {"cniVersion": "1.0.0", "name": CNI_NETWORK, "plugins": [bridge]}


def kubelet() -> Mapping[str, Any]:
    """KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(PKI / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [DNS_SERVICE_IP],
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": str(DATA / "pod-log"),
        "volumePluginDir": str(DATA / "flexvolume"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": 250,
        "makeIPTablesUtilChains": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "serializeImagePulls": False,
        "kubeAPIQPS": QPS,
        "kubeAPIBurst": BURST,
        # A developer's disk is often nearly full, and an image that was loaded by hand cannot be pulled again.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,
    }


def proxy() -> Mapping[str, Any]:
    """KubeProxyConfiguration: no node port on an outside address; the machine's conntrack settings stay."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE,
        "clusterCIDR": POD_CIDR,
        "clientConnection": {"kubeconfig": str(kubeconfig_of("proxy")), "qps": QPS, "burst": BURST},
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"127.0.0.1:{PROXY_METRICS_PORT}",
        "nodePortAddresses": [f"{NODE_IP}/32"],
        "iptables": {"localhostNodePorts": False},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def scheduler() -> Mapping[str, Any]:
    """KubeSchedulerConfiguration."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig_of("scheduler")), "qps": QPS, "burst": BURST},
    }


def corefile(nameservers: bool) -> str:
    """CoreDNS: the cluster's names are never cached (a test creates a Service and asks for it at once)."""
    forward = "forward . /etc/resolv.conf" if nameservers else ""
    return f"""\
.:{DNS_PORT} {{
    bind {NODE_IP}
    errors
    ready 127.0.0.1:{DNS_HEALTH_PORT}
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {KUBECONFIG}
        pods insecure
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }}
    cache 30 {{
        disable success {CLUSTER_DOMAIN}
        disable denial {CLUSTER_DOMAIN}
    }}
    {forward}
}}
"""
