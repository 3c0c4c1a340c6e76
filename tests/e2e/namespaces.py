"""A namespace for each test, as strict as a careful administrator makes it, and what is in it when a test fails."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from demo.install import APISERVER_PODS, CONTROLLER_PODS
from devcluster.kubectl import Kubectl, KubectlError
from tests.e2e.installation import Installation

PREFIX = "e2e-"
LABEL = "cdi.kubevirt.io/testing"
HIDDEN = "--selector=velero.io/exclude-from-backup"
"""Of claims: those that are filled in a user's stead."""
POLL_S = 0.5
live: list[Kubectl] = []
"""Namespaces of the tests that run now: what is worth printing when one fails."""


def name_of(nodeid: str) -> str:
    """For the namespace of a test: the beginning of its name, and a few letters that no other test has."""
    readable = re.sub(r"[^a-z0-9]+", "-", nodeid.rpartition("::")[2].lower()).strip("-")
    return f"{readable[:48].rstrip('-')}-{hashlib.sha256(nodeid.encode()).hexdigest()[:6]}"


@contextmanager
def namespace(kubectl: Kubectl, name: str) -> Iterator[Kubectl]:
    """A new namespace that only admits restricted pods; deleted at the end, without waiting."""
    name = PREFIX + name
    labels = {LABEL: "e2e", "pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    inside = kubectl.within(name)
    # No pod can be made before the namespace has its service account.
    inside.wait("serviceaccount/default", "create")
    live.append(inside)
    try:
        yield inside
    finally:
        live.remove(inside)
        kubectl("delete", "namespace", name, "--wait=false")


def tells(kubectl: Kubectl, *texts: str, timeout_s: float = 20) -> bool:
    """Whether events in kubectl's namespace say all this. They are posted after the status that they are about."""
    deadline = time.monotonic() + timeout_s
    missing = list(texts)
    while missing and time.monotonic() < deadline:
        told = kubectl.events()
        missing = [text for text in missing if text not in told]
        if missing:
            time.sleep(POLL_S)
    return not missing


def logs(kubectl: Kubectl, pods: str, *, text: str, timeout_s: float = 60) -> bool:
    """Whether the log of one of the pods says this: each time they are started anew, their logs begin anew, too."""
    deadline = time.monotonic() + timeout_s
    while text not in _look(kubectl, ("logs", pods, "--tail=-1", "--max-log-requests=30")):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def delete_all(kubectl: Kubectl, *what: str, timeout_s: float = 120) -> None:
    """Delete namespaces and wait until they, with all that was in them, are gone."""
    kubectl("delete", *what, "--ignore-not-found", f"--timeout={timeout_s}s", timeout_s=timeout_s + 10)


def report(installation: Installation, inside: Kubectl) -> str:
    """What a person would look at first."""
    unfinished = "jsonpath={range .items[?(@.status.phase!='Succeeded')]}{.metadata.name}: {.status}{'\\n'}{end}"
    importers = "--selector=cdi.kubevirt.io=importer"
    looks = [
        (inside, ("get", "datavolumes,pvc,pods,volumeimportsources", "--output", "wide")),
        (inside, ("get", "datavolumes", "--output", unfinished)),
        (inside, ("get", "events", "--sort-by=.metadata.creationTimestamp")),
        (inside, ("logs", importers, "--tail=20", "--prefix")),
        (installation.own, ("get", "pods", "--output", "wide")),
        (installation.own, ("logs", CONTROLLER_PODS, "--tail=60", "--prefix")),
        (installation.own, ("logs", APISERVER_PODS, "--tail=20", "--prefix")),
    ]
    return "\n".join(_look(kubectl, args) for kubectl, args in looks)


def _look(kubectl: Kubectl, args: tuple[str, ...]) -> str:
    try:
        shown = kubectl(*args, timeout_s=20)
    except KubectlError as error:
        shown = str(error)
    return f"$ kubectl -n {kubectl.namespace} {' '.join(args)}\n{shown}"


def volumes_of(kubectl: Kubectl, prefix: str) -> list[str]:
    """The PersistentVolumes whose claim is, or was, in a namespace that begins with `prefix`."""
    return [
        f"pv/{volume['metadata']['name']}"
        for volume in kubectl.items("pv")
        if (volume["spec"].get("claimRef") or {}).get("namespace", "").startswith(prefix)
    ]


def wait_for_no_volumes(kubectl: Kubectl, prefix: str, timeout_s: float = 120) -> None:
    """Wait until storage has taken back every volume that a claim in those namespaces had."""
    until_empty(lambda: volumes_of(kubectl, prefix), "volumes of claims that are gone", timeout_s)


def wait_for_none(kubectl: Kubectl, kinds: str, *selector: str, timeout_s: float = 60) -> None:
    """Wait until kubectl's namespace has no object of these kinds."""
    until_empty(lambda: kubectl("get", kinds, *selector, "--output=name").split(), f"{kinds} {selector}", timeout_s)


def until_empty(found: Callable[[], Collection[str]], what: str, timeout_s: float = 60) -> None:
    """Wait until nothing is found any more; AssertionError that names what still is.

    Not `kubectl wait --for=delete`, which looks once what there is to wait for: what is being made at that moment, such
    as a volume whose claim has just been deleted, comes later.
    """
    deadline = time.monotonic() + timeout_s
    while left := found():
        assert time.monotonic() < deadline, f"{what}, still there after {timeout_s:.0f} s: {sorted(left)}"
        time.sleep(POLL_S)


def dumped(kubectl: Kubectl) -> str:
    """Every object of the cluster that we make or change, whole, as JSON."""
    kinds = "datavolumes,volumeimportsources,storageprofiles,cdiconfigs,pvc,pv,pods,storageclasses,namespaces"
    return json.dumps(kubectl.items(kinds, "--all-namespaces"))
