"""What runs, how much it takes, and what is still missing before a pod with a volume can run."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from devcluster import processes
from devcluster.api import Api
from devcluster.components import Component
from devcluster.errors import DevclusterError
from devcluster.layout import KUBECONFIG, LOGS, NODE, PROGRAMS

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def show(components: Iterable[Component]) -> bool:
    """Print a table of components, then node, storage and how to use them; whether all is ready."""
    records, good = processes.recorded(), True
    print(f"{'COMPONENT':<28}{'STATE':<14}{'PID':>8}{'MEMORY':>10}{'CPU':>9}{'AGE':>9}")
    for component in components:
        process = records.get(component.name)
        state = state_of(component, process)
        good = good and state == "ready"
        print(f"{component.name:<28}{state:<14}" + (usage(process) if process and process.alive() else ""))
    with suppress(OSError, DevclusterError):
        api = Api()
        gaps = list(missing(api))
        good = good and not gaps
        print(f"\nnode {NODE}: " + ("; ".join(gaps) if gaps else "ready"))
        for line in storage_classes(api):
            print(line)
    print(f"\nexport KUBECONFIG={KUBECONFIG}\nexport PATH={PROGRAMS}:$PATH\nlogs: {LOGS}")
    if not good:
        print("not all is ready: `python -m devcluster up` starts what is missing")
    return good


def state_of(component: Component, process: processes.Process | None) -> str:
    """One word or two for the table."""
    if not process:
        return "not started"
    if not process.alive():
        return "ended"
    return "ready" if component.ready() else "not ready"


def usage(process: processes.Process) -> str:
    """Pid, resident memory in MiB, processor time in seconds and age in seconds, as columns."""
    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(stat[11]) + int(stat[12])) / TICKS_PER_SECOND
    resident_mib = int(stat[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_ticks / TICKS_PER_SECOND
    return f"{process.pid:>8}{resident_mib:>6.0f} MiB{cpu_s:>7.1f} s{age_s:>7.0f} s"


def missing(api: Api) -> Iterator[str]:
    """What keeps a pod with a volume from running: one line each."""
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


def storage_classes(api: Api) -> Iterator[str]:
    """The storage classes and what binds them, a line each."""
    for item in api.items("/apis/storage.k8s.io/v1/storageclasses"):
        default = " (default)" if item["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true" else ""
        yield f"storage class {item['metadata']['name']}{default}: {item['provisioner']}, {item['volumeBindingMode']}"
    for item in api.items("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"):
        yield f"snapshot class {item['metadata']['name']}: {item['driver']}"
