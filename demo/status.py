"""`make status`: how the cluster is, and what is installed and imported on it."""

from __future__ import annotations

import sys

from demo.install import NAMESPACE
from devcluster import choose
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl


def main() -> int:
    try:
        cluster = choose.cluster()
        if not cluster.status():
            return 1
        kubectl = Kubectl(cluster.kubeconfig())
        print(f"\nnamespace {NAMESPACE}:")
        print(kubectl.within(NAMESPACE)("get", "deployments,pods") or "  nothing: `make install`", end="")
        if kubectl.find("customresourcedefinition", "datavolumes.cdi.kubevirt.io"):
            print("\nDataVolumes:")
            print(kubectl("get", "datavolumes", "--all-namespaces") or "  none: `make run`", end="")
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
