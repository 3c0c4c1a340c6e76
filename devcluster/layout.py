"""Where everything of the embedded cluster lives, and the addresses it uses: one place, so that `down` can empty it.

Nothing of the cluster listens on an outside interface. The node's address is the gateway address of the pods' bridge,
which is always there, so the cluster does not mind a laptop that changes networks.
"""

import os
from pathlib import Path

DATA = Path("/var/lib/cdi-devcluster")
RUN = Path("/run/cdi-devcluster")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdi-devcluster"
CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "devcluster"

# A link to the programs that the cluster runs on: it stays when the pins in the checkout move on.
PROGRAMS = DATA / "bin"
PKI = DATA / "pki"
CONFIG = DATA / "config"
LOGS = DATA / "log"
PIDS = RUN / "pids"
KUBELET_ROOT = DATA / "kubelet"
KUBECONFIG = DATA / "admin.kubeconfig"
CONTAINERD_ROOT = DATA / "containerd"
CONTAINERD_STATE = RUN / "containerd"
CONTAINERD_SOCKET = RUN / "containerd.sock"
CSI_SOCKET = RUN / "csi.sock"
CSI_NOCLONE_SOCKET = RUN / "csi-noclone.sock"

NODE = "cdi-devcluster"
BRIDGE = "cdi0"
NODE_IP = "10.244.0.1"
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/12"
KUBERNETES_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
ETCD_HEALTH_PORT = 2381
KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
PROXY_METRICS_PORT = 10249
PROXY_HEALTH_PORT = 10256
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
DNS_PORT = 1053
DNS_HEALTH_PORT = 1054

API_URL = f"https://{NODE_IP}:{API_PORT}"
PAUSE_IMAGE = "localhost/cdi-devcluster/pause:1"
